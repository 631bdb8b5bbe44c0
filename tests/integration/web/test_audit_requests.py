"""The lists of the audit leave out the requests of directories that changed nothing, unless an admin asks for them."""

import csv
import io

from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.scim.requests import Requests, requests_of
from tests.integration.signing_in import Browser
from webhook_service.ports import Database
from webhook_service.settings import ScimSettings, Settings

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
OFF = {"op": "replace", "path": "active", "value": False}


def sent(settings: Settings, database: Database) -> None:
    """Send a write, a read, a read that is refused, and a read that is too much."""
    okta: Requests = requests_of(settings, database, scim=ScimSettings(rate=4))
    okta.add()
    okta.get("/Users/1")
    okta.get("/Users/99")
    okta.patch("1", OFF)
    okta.get("/Users")


def test_the_page_leaves_requests_out(browser: Browser, settings: Settings, database: Database) -> None:
    """The page has only acts, and a link to the requests. With them, a chip removes the filter."""
    sent(settings, database)
    acts = browser.get("/admin/audit").text
    assert "Create an employee" in acts
    assert "Deactivate" in acts
    assert "Read an employee" not in acts
    assert 'href="/admin/audit?requests=true"' in acts
    everything = browser.get("/admin/audit?requests=true").text
    for text in ("Create an employee", "Read an employee", "Refused: 404 Not Found"):
        assert text in everything
    assert "Refused: 429 Too Many Requests (1 request)" in everything
    assert "Remove the filter: " in everything
    assert 'href="/admin/export/audit.csv?requests=true"' in everything


def test_the_file_leaves_requests_out(browser: Browser, settings: Settings, database: Database) -> None:
    """The file has the entries of its page."""
    sent(settings, database)
    for query, count in (("", 0), ("?requests=false", 0), ("?requests=true", 2)):
        text = browser.get(f"/admin/export/audit.csv{query}").data.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len([row for row in rows if row["action"] == "read an employee"]) == count
        assert "create an employee" in {row["action"] for row in rows}


def test_the_admin_api_leaves_requests_out(
    app: Flask, settings: Settings, database: Database, connection: Connection
) -> None:
    """The admin API returns the requests only with `requests=true`, also with another filter, on several pages."""
    sent(settings, database)
    api = app.test_client()

    def found(query: str, cursor: str = "") -> list[tuple[str, bool]]:
        answer = api.get(f"/admin/api/audit?who=directory okta{query}{cursor}", headers=KEY).get_json()
        rows = [(entry["action"], entry["is_request"]) for entry in answer["entries"]]
        return rows + (found(query, f"&cursor={answer['next_cursor']}") if answer["next_cursor"] else [])

    acts = [("deactivate", False), ("create an employee", False)]
    assert found("") == found("&requests=false") == acts
    everything = [
        ("send too many requests", True),
        ("deactivate", False),
        ("read an employee", True),
        ("read an employee", True),
        ("create an employee", False),
    ]
    assert found("&requests=true&limit=2") == everything
    assert found("&requests=true&target=employee:1") == [everything[1], everything[3], everything[4]]
    assert found("&target=employee:1") == acts
    assert api.get("/admin/api/audit?requests=1", headers=KEY).status_code == 422


def test_the_page_of_an_employee_leaves_requests_out(browser: Browser, settings: Settings, database: Database) -> None:
    """The timeline of an employee has the acts of directories, and not their requests."""
    sent(settings, database)
    text = browser.get("/admin/employees/1").text
    assert "directory okta" in text
    assert "ead an employee" not in text
