"""Attacks with a forged Host header: no response repeats it."""

from dataclasses import replace

import pytest
from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.integration.signing_in import PAGES, Browser, pages
from webhook_service.settings import Settings

EVIL = "evil.example"
FORGED = [
    {"Host": EVIL},
    {"Host": f"{EVIL}:443"},
    {"Host": "localhost", "X-Forwarded-Host": EVIL},
    {"Host": f"x@{EVIL}"},
]

SMALL = "/admin/suggestions/people"
"""An answer for admins without the menu, for which each page counts the inbox."""


def paths(site: Flask) -> set[str]:
    """Every route, with and without a slash at its end, with a value for each variable part."""
    known = {rule.rule for rule in site.url_map.iter_rules()}
    filled = {"/".join("1" if part.startswith("<") else part for part in rule.split("/")) for rule in known}
    return filled | {path.rstrip("/") or "/" for path in filled} | {f"{path.rstrip('/')}/" for path in filled}


@pytest.mark.parametrize("headers", FORGED, ids=str)
def test_no_response_repeats_a_forged_host(site: Flask, headers: dict[str, str]) -> None:
    """The Host header is in no redirect, no page and no header of any route, for visitors, admins and programs."""
    admin = Browser(site)
    assert admin.signs_in().status_code == 303
    clients = [
        (site.test_client(), {}),
        (site.test_client(), {"Authorization": f"Bearer {ADMIN_KEY}"}),
        (admin.client, {}),
    ]
    for path in sorted(paths(site)):
        for client, credentials in clients:
            for method in ("GET", "POST", "OPTIONS"):
                response = client.open(path, method=method, headers=headers | credentials)
                assert EVIL not in str(response.headers), (path, response.headers)
                assert EVIL not in response.get_data(as_text=True), path
                assert response.headers.get("Location", "/").startswith("/"), path
                response.close()
        assert admin.is_in(SMALL) or admin.signs_in().status_code == 303


def test_the_page_of_the_api_names_the_public_url(settings: Settings, site: Flask) -> None:
    """The curl line of the API's page has PUBLIC_URL, or the name of the setting if it is not set."""
    with pages(replace(settings, pages=replace(PAGES, public_url="https://sync.example.com/x"))) as app:
        assert "https://sync.example.com/x/admin/api/summary" in app.test_client().get("/admin/api/docs").text
    assert "$PUBLIC_URL/admin/api/summary" in site.test_client().get("/admin/api/docs").text
