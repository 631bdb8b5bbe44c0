"""Secret and unmapped columns of auth.users never leave the process that receives them."""

import json
import logging
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.auth_traffic import CONFIRMED, headers_for
from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.canaries import CANARY, EMAIL, assert_no_canary_leaked, contents, lines, webhook
from tests.ports import free_port
from webhook_service.app import create_app
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.demo.traffic import body_of
from webhook_service.events import Json
from webhook_service.inbound import signature
from webhook_service.ports import Database
from webhook_service.settings import Settings, SupabaseConnection

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "webhook_service")
    return caplog


def send(client: FlaskClient, body: bytes, event_id: str = "evt-1", **headers: str) -> TestResponse:
    return client.post("/webhook/auth", data=body, headers=headers_for(body, event_id) | headers)


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        pytest.param(webhook("INSERT"), "linked", id="insert"),
        pytest.param(webhook("UPDATE"), "linked", id="update"),
        pytest.param(webhook("DELETE"), "unmatched", id="delete"),
        pytest.param(webhook("UPDATE", deleted_at=CONFIRMED, email=f"{CANARY}hash"), "unmatched", id="soft-delete"),
        pytest.param(webhook("INSERT", is_anonymous=True), "ignored", id="anonymous"),
    ],
)
def test_an_event_leaves_only_mapped_columns(
    client: FlaskClient, connection: Connection, log: pytest.LogCaptureFixture, payload: Json, outcome: str
) -> None:
    """No secret or unmapped column is in the database, the log or a response, even after a replay."""
    connection.execute("insert into employees (email) values (%s)", [EMAIL])
    answers = [send(client, body_of(payload)), send(client, body_of(payload))]
    assert answers[0].get_json()["outcome"] == outcome
    answers += [
        client.post("/admin/api/events/evt-1/replay", headers=ADMIN),
        client.post("/admin/api/replays", headers=ADMIN, json={"dry_run": True}),
        client.get("/admin/api/events/evt-1", headers=ADMIN),
        client.get("/admin/api/events", headers=ADMIN),
        client.get("/admin/api/summary", headers=ADMIN),
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert len(log.records) >= 2
    assert_no_canary_leaked(connection, log, *answers)


GOOD = body_of(webhook("UPDATE"))
REFUSED = {
    "other-table": body_of(webhook("INSERT") | {"table": CANARY}),
    "other-schema": body_of(webhook("INSERT") | {"schema": CANARY}),
    "unknown-operation": body_of(webhook("UPDATE") | {"type": CANARY}),
    "bad-id": body_of(webhook("INSERT", id=CANARY)),
    "bad-timestamp": body_of(webhook("INSERT", updated_at=CANARY)),
    "bad-email": body_of(webhook("INSERT", email=[CANARY])),
    "bad-version": body_of(webhook("INSERT") | {"version": CANARY}),
    "record-is-a-text": body_of(webhook("INSERT") | {"record": CANARY}),
    "missing-half": body_of(webhook("UPDATE") | {"record": None}),
    "no-object": body_of([CANARY]),
    "cut-off": GOOD[:-1],
    "not-utf8": GOOD.replace(b"extra", b"\xff"),
    "duplicate-key": GOOD.replace(b'"extra"', b'"type"'),
    "nan": GOOD.replace(b'"aud": ', b'"x": NaN, "aud": '),
    "nul": GOOD.replace(b"cAnArY-extra", b"cAnArY-\\u0000"),
    "too-deep": b"[" * 100_000 + CANARY.encode(),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in REFUSED.items()])
def test_a_refused_payload_leaves_nothing(
    client: FlaskClient, connection: Connection, log: pytest.LogCaptureFixture, body: bytes
) -> None:
    """The refusal of a payload names the wrong field, but not its value."""
    before = contents(connection)
    answer = send(client, body)
    assert answer.status_code in (400, 422)
    assert_no_canary_leaked(connection, log, answer)
    assert contents(connection) == before


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"webhook-signature": f"v1,{CANARY}"}, id="malformed-signature"),
        pytest.param({"webhook-signature": "v1," + "cAnArY/" * 6 + "c="}, id="wrong-signature"),
        pytest.param({"webhook-id": f"{CANARY}."}, id="malformed-id"),
        pytest.param({"webhook-timestamp": CANARY}, id="malformed-timestamp"),
        pytest.param({"Content-Type": f"text/{CANARY}"}, id="content-type"),
        pytest.param({"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "X-Webhook-Token": CANARY}, id="others"),
    ],
)
def test_headers_are_not_repeated(
    client: FlaskClient, connection: Connection, log: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    """Neither the log nor a response repeats signatures, keys and other headers, valid or not."""
    answer = send(client, body_of(webhook("UPDATE")), **headers)
    assert_no_canary_leaked(connection, log, answer)


def test_a_token_is_not_repeated(
    settings: Settings, database: Database, connection: Connection, log: pytest.LogCaptureFixture
) -> None:
    """Neither the log nor a response repeats a static token, whether the token is right or wrong."""
    client = create_app(replace(settings, static_token=True), database).test_client()
    token = signature.mint_token(settings.webhook_secrets, "test")
    for sent, status in ((token, 200), (f"{token}x", 401)):
        answer = client.post("/webhook/auth", json=webhook("INSERT"), headers={signature.TOKEN_HEADER: sent})
        assert answer.status_code == status
        assert_no_canary_leaked(connection, log, answer)
        assert_no_canary_leaked(connection, log, answer, canary=token)


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [("P0001", 200), ("40001", 503), ("55P03", 503), ("57014", 503), ("53100", 503), ("42P01", 200)],
)
def test_an_event_that_cannot_be_applied_leaves_nothing(
    client: FlaskClient, connection: Connection, log: pytest.LogCaptureFixture, sqlstate: str, status: int
) -> None:
    """If an event cannot be applied, no secret of the event is in the database, the log or the response.

    The database's error is not in the log or the response either.
    """
    connection.execute("insert into employees (email, first_name) values (%s, 'Row-CaNaRy')", [EMAIL])
    connection.execute(
        "create function fail() returns trigger language plpgsql as $$ begin"
        f" raise exception 'no: %', new using detail = new::text, errcode = '{sqlstate}'; end $$"
    )
    connection.execute("create trigger t before update on employees for each row execute function fail()")
    answer = send(client, body_of(webhook("UPDATE")))
    assert answer.status_code == status
    assert_no_canary_leaked(connection, log, answer)
    assert "Row-CaNaRy" not in answer.get_data(as_text=True) + lines(log)


def test_an_unexpected_error_leaves_nothing(app: Flask, connection: Connection, log: pytest.LogCaptureFixture) -> None:
    """Neither the log nor a response contains the text of an unexpected error."""

    @app.get("/surprise")
    def surprise() -> str:
        raise RuntimeError(f"{CANARY} {EMAIL}") from ValueError(f"{CANARY} {EMAIL}")

    answer = app.test_client().get("/surprise")
    assert answer.status_code == 500
    assert "RuntimeError" in lines(log)
    assert_no_canary_leaked(connection, log, answer)


def test_an_unavailable_supabase_leaves_nothing(
    settings: Settings, connection: Connection, log: pytest.LogCaptureFixture
) -> None:
    """Neither the log nor a response contains Supabase's key, which each request to Supabase carries."""
    supabase = SupabaseConnection(f"http://127.0.0.1:{free_port()}", f"sb_secret_{CANARY}")
    database = SupabaseDatabase(supabase.url, supabase.service_role_key)
    answer = send(create_app(replace(settings, connection=supabase), database).test_client(), GOOD)
    database.close()
    assert answer.status_code == 503
    assert_no_canary_leaked(connection, log, answer)


@pytest.mark.parametrize(
    "address",
    ["jane.doe@example.com", "j@example.com", "Jäne+tag@example.com", '"jane doe"@example.com', "o'neil@example.com"],
)
def test_addresses_are_masked(log: pytest.LogCaptureFixture, address: str) -> None:
    """The local part of an address in a log line is cut to one letter."""
    logging.getLogger("webhook_service").info("hello %s", address, extra={"to": [address], "of": {address: 1}})
    line = lines(log)
    assert address not in json.loads(line)["message"]
    assert line.count("***@example.com") == 3
