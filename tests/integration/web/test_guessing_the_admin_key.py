"""Attacks on the admin key: guesses over the admin API, with the limits, the log and the metric of the sign-in page."""

import json
import logging
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.signing_in import Browser, pages
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.settings import Settings
from webhook_service.web.attempts import ATTEMPTS

ATTACKER = "203.0.113.9"
ROUTES = [
    ("GET", "/admin/api/summary"),
    ("GET", "/admin/api/events/evt-1"),
    ("POST", "/admin/api/replays"),
    ("POST", "/admin/api/employees"),
    ("PATCH", "/admin/api/employees/1"),
    ("GET", "/admin/api/held"),
]


def ask(
    app: Flask, key: str | None, address: str = ATTACKER, route: tuple[str, str] = ROUTES[0], scheme: str = "Bearer"
) -> TestResponse:
    headers = {} if key is None else {"Authorization": f"{scheme} {key}"}
    return app.test_client().open(
        route[1], method=route[0], headers=headers, environ_base={"REMOTE_ADDR": address}, json={}
    )


def guesses(app: Flask, count: int = ATTEMPTS, **options: Any) -> list[int]:
    return [ask(app, f"wrong-{n}", **options).status_code for n in range(count)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
def test_guessing_over_any_route_has_a_limit(site: Flask, route: tuple[str, str]) -> None:
    """After ten wrong keys, an address gets 429 with Retry-After, also for the right key. Other addresses do not."""
    assert guesses(site, ATTEMPTS + 2, route=route) == [401] * ATTEMPTS + [429] * 2
    refused = ask(site, ADMIN_KEY)
    assert (refused.status_code, refused.get_json()["reason"]) == (429, "too_many_attempts")
    assert refused.content_type == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ask(site, ADMIN_KEY, "192.0.2.1").status_code == 200


def test_the_api_and_the_sign_in_page_count_together(site: Flask) -> None:
    """Guesses over the API and at the sign-in page have one limit for each address, in both orders."""
    assert guesses(site) == [401] * ATTEMPTS
    assert Browser(site, ATTACKER).signs_in().status_code == 429
    browser = Browser(site, "203.0.113.10")
    assert [browser.signs_in(key="wrong").status_code for _ in range(ATTEMPTS)] == [401] * ATTEMPTS
    assert guesses(site, 1, address="203.0.113.10") == [429]


def test_an_address_that_waited_has_the_key_again(site: Flask, connection: Connection) -> None:
    """A throttled address can use the right key after Retry-After seconds, and throttled requests do not extend it."""
    guesses(site, ATTEMPTS + 5)
    seconds = int(ask(site, ADMIN_KEY).headers["Retry-After"])
    connection.execute("update auth_sync_sign_in_attempts set at = at - make_interval(secs => %s)", [seconds])
    assert ask(site, ADMIN_KEY).status_code == 200


def test_requests_with_the_right_key_are_not_limited(site: Flask, connection: Connection) -> None:
    """A right key does not count: a program may send any number of requests, and they write no row."""
    assert {ask(site, ADMIN_KEY).status_code for _ in range(ATTEMPTS * 3)} == {200}
    assert connection.execute("select from auth_sync_sign_in_attempts").rowcount == 0


def test_a_request_without_a_key_is_not_a_guess(site: Flask, connection: Connection) -> None:
    """A request without a key, or with another scheme, gets a 401 and does not count."""
    for key, scheme in ((None, ""), ("", "Bearer"), (ADMIN_KEY, "Basic"), (ADMIN_KEY, "Token")):
        assert {ask(site, key, scheme=scheme).status_code for _ in range(ATTEMPTS + 1)} == {401}
    assert connection.execute("select from auth_sync_sign_in_attempts").rowcount == 0
    assert ask(site, ADMIN_KEY).status_code == 200


@pytest.mark.parametrize("key", [ADMIN_KEY[:-1], ADMIN_KEY + "x", ADMIN_KEY.upper(), "\xe4", "x" * 8000, "a b", "\x7f"])
def test_keys_that_resemble_the_right_one_are_counted(site: Flask, key: str) -> None:
    """Every wrong key counts, whatever its length and its characters."""
    assert [ask(site, key).status_code for _ in range(ATTEMPTS + 1)] == [401] * ATTEMPTS + [429]


def test_guesses_are_counted_over_the_addresses_of_one_network(site: Flask) -> None:
    """The addresses of an IPv6 /64 network count together."""
    statuses = [ask(site, "wrong", f"2001:db8:1:2::{n:x}").status_code for n in range(ATTEMPTS + 1)]
    assert statuses == [401] * ATTEMPTS + [429]


def test_guesses_are_logged_and_counted(site: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Each refused guess has a log line with the address and the reason, and counts in the metric. No key is logged."""
    with caplog.at_level(logging.WARNING):
        guesses(site, ATTEMPTS + 1)
    lines = [vars(record) for record in caplog.records if record.getMessage() == "sign-in refused"]
    assert [line["reason"] for line in lines] == ["wrong_key"] * ATTEMPTS + ["too_many"]
    assert {line["address"] for line in lines} == {ATTACKER}
    assert "wrong-" not in json.dumps(lines, default=str)
    reported = site.test_client().get("/metrics").text
    for result, count in (("refused", ATTEMPTS), ("throttled", 1), ("succeeded", 0), ("failed", 0)):
        assert f'webhook_service_sign_ins_total{{result="{result}"}} {count}.0' in reported


@pytest.mark.parametrize("key", ["wrong", ADMIN_KEY], ids=["wrong", "right"])
def test_without_the_database_no_key_is_judged(settings: Settings, key: str) -> None:
    """While the limiter's database is away, right and wrong keys get the same 503, so guesses learn nothing."""
    app = create_app(settings, DirectDatabase("postgresql://127.0.0.1:1/none", call_timeout=0.5))
    for route in ROUTES:
        refused = ask(app, key, route=route)
        assert (refused.status_code, refused.get_json()["reason"]) == (503, "database_unreachable")
        assert "Retry-After" in refused.headers


def test_all_workers_count_guesses_together(settings: Settings, site: Flask) -> None:
    """Guesses that one worker counted count for all workers."""
    guesses(site)
    with pages(settings) as another:
        assert ask(another, ADMIN_KEY).status_code == 429
