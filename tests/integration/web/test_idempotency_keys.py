"""The header Idempotency-Key of the admin API: a request that is sent again with its key is carried out once."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.acceptance.conftest import has_waiting_calls, wait_for
from tests.auth_faults import BROKEN, Call
from tests.employees import Connection, employee, hire
from tests.integration.hiring import (
    AUTHORIZED,
    JANE_DOE,
    Office,
    accounts_over,
    assert_only,
    client_for,
    pairs,
    passwords,
    reason_of,
    whole_database,
)
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import Unavailable
from webhook_service.events import Json
from webhook_service.ledger.retention import prune
from webhook_service.ports import Database
from webhook_service.settings import Settings

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
WITH_KEY = {"Idempotency-Key": KEY}


@pytest.fixture
def other_process(hr: Office, settings: Settings, database_url: str) -> Iterator[FlaskClient]:
    """A client of another process, which has its own connections to the database."""
    with closing(DirectDatabase(database_url)) as database:
        yield client_for(settings, accounts_over(database, hr.relay.admin, settings))


def acts(connection: Connection) -> int:
    return connection.execute("select from auth_sync_audit").rowcount


def is_repeated(answer: TestResponse) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_a_repeated_request_gets_the_first_answer(hr: Office) -> None:
    """The same request with the same key gets the same status and body, says so, and is carried out once."""
    ann = hire(hr.connection, "ann@example.com")
    first, second = (hr.patch(ann, {"is_active": False}, **WITH_KEY) for _ in range(2))
    assert (second.status_code, second.text) == (first.status_code, first.text)
    assert (is_repeated(first), is_repeated(second)) == (False, True)
    assert acts(hr.connection) == 1


def test_the_form_of_a_body_does_not_matter(hr: Office) -> None:
    """A body with other whitespace and another order of its fields is the same body."""
    first = hr.post(json.dumps(JANE_DOE, indent=2).encode(), **WITH_KEY)
    second = hr.post(json.dumps(dict(reversed(JANE_DOE.items()))).encode(), **WITH_KEY)
    assert (first.status_code, second.status_code, is_repeated(second)) == (201, 201, True)


def test_a_password_is_not_repeated(hr: Office) -> None:
    """The repeated answer of a creation has no password, and says that it was shown. The password is not stored."""
    first, second = (hr.post(JANE_DOE, **WITH_KEY) for _ in range(2))
    shown = first.get_json()
    assert shown["password_was_shown"] is False
    assert second.get_json() == shown | {"temporary_password": None, "password_was_shown": True}
    assert (second.status_code, second.headers["Cache-Control"]) == (201, "no-store")
    assert [password in whole_database(hr.connection) for password in passwords(hr.auth)] == [False]
    assert_only(hr.connection, first)


def test_a_key_belongs_to_one_body(hr: Office) -> None:
    """Another body with the same key gets 422, and nobody is created."""
    first = hr.post(JANE_DOE, **WITH_KEY)
    assert reason_of(hr.post(JANE_DOE | {"email": "other@example.com"}, **WITH_KEY)) == (422, "key_reused")
    assert_only(hr.connection, first)


def test_a_key_belongs_to_one_path(hr: Office) -> None:
    """Another path with the same key gets 422, and nothing is changed."""
    ann, bob = hire(hr.connection, "ann@example.com"), hire(hr.connection, "bob@example.com")
    hr.patch(ann, {"is_active": False}, **WITH_KEY)
    assert reason_of(hr.patch(bob, {"is_active": False}, **WITH_KEY)) == (422, "key_reused")
    assert employee(hr.connection, bob)["is_active"]


def test_a_request_under_way_is_not_carried_out_twice(hr: Office, other_process: FlaskClient) -> None:
    """While a request is under way, another process refuses the same request with 409 and a time to wait."""
    meanwhile: list[TestResponse] = []

    def sent_again(call: Call) -> None:
        if call.path == "/admin/users":
            meanwhile.append(other_process.post("/admin/api/employees", json=JANE_DOE, headers=AUTHORIZED | WITH_KEY))

    hr.auth.before = sent_again
    first = hr.post(JANE_DOE, **WITH_KEY)
    [second] = meanwhile
    assert reason_of(second) == (409, "request_under_way")
    assert int(second.headers["Retry-After"]) > 0
    assert is_repeated(other_process.post("/admin/api/employees", json=JANE_DOE, headers=AUTHORIZED | WITH_KEY))
    assert_only(hr.connection, first)


def test_two_claims_at_once_wait_for_each_other(hr: Office, database_url: str) -> None:
    """If two processes claim a key in the same moment, only the first to commit carries the request out."""
    ann = hire(hr.connection, "ann@example.com")
    hr.patch(ann, {"is_active": False}, **WITH_KEY)
    [known] = hr.connection.execute("delete from auth_sync_idempotency_keys returning request").fetchall()
    with psycopg.connect(database_url) as other, ThreadPoolExecutor() as threads:
        other.execute("select auth_sync_claim_key_v1(%s, %s, 'other', 60)", [KEY, known["request"]])
        answer = threads.submit(hr.patch, ann, {"is_active": False}, **WITH_KEY)
        wait_for("the second claim", lambda: has_waiting_calls(hr.connection, 1))
        other.commit()
        assert reason_of(answer.result()) == (409, "request_under_way")
    assert acts(hr.connection) == 1


def test_a_late_answer_does_not_count(database: Database) -> None:
    """A process whose lease has ended and was taken over neither keeps its answer nor releases the key."""
    request: dict[str, Json] = {"p_key": KEY, "p_request": "r"}
    for lease in ("first", "second"):
        claimed = database.call("auth_sync_claim_key_v1", **request, p_lease=lease, p_lease_seconds=0)
        assert claimed == {"state": "claimed"}
    answer: dict[str, Json] = {"p_key": KEY, "p_status": 200, "p_body": "{}"}
    assert not database.call("auth_sync_keep_answer_v1", **answer, p_lease="first")
    assert not database.call("auth_sync_release_key_v1", p_key=KEY, p_lease="first")
    assert database.call("auth_sync_keep_answer_v1", **answer, p_lease="second")


def test_a_server_error_releases_the_key(hr: Office) -> None:
    """After a 5xx, a retry with the same key carries the request out."""
    hr.auth.fail(BROKEN)
    assert hr.post(JANE_DOE, **WITH_KEY).status_code == 503
    hr.auth.fail(None)
    hr.rest()
    answer = hr.post(JANE_DOE, **WITH_KEY)
    assert (answer.status_code, is_repeated(answer)) == (201, False)


def test_a_refusal_is_repeated(hr: Office) -> None:
    """A refusal is an answer too: the same request with the same key gets it again, although its cause is gone."""
    first = hr.patch(1, {"is_active": False}, **WITH_KEY)
    hire(hr.connection, "ann@example.com")
    second = hr.patch(1, {"is_active": False}, **WITH_KEY)
    assert (reason_of(first), second.get_json()) == ((404, "employee_not_found"), first.get_json())
    assert second.mimetype == "application/problem+json"


def test_after_a_crash_a_retry_creates_nobody_twice(hr: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process ends before it keeps the answer, a retry waits for the lease, and is then refused as done."""
    call = DirectDatabase.call

    def without_answers(self: DirectDatabase, function: str, **params: Json) -> Json:
        if function == "auth_sync_keep_answer_v1":
            raise Unavailable("database_unreachable", "The process has ended.")
        return call(self, function, **params)

    with monkeypatch.context() as patch:
        patch.setattr(DirectDatabase, "call", without_answers)
        first = hr.post(JANE_DOE, **WITH_KEY)
    assert reason_of(hr.post(JANE_DOE, **WITH_KEY)) == (409, "request_under_way")
    hr.connection.execute("update auth_sync_idempotency_keys set leased_until = now() - interval '1 second'")
    second = hr.post(JANE_DOE, **WITH_KEY)
    assert reason_of(second) == (409, "email_taken")
    assert second.get_json()["employee_id"] == first.get_json()["employee_id"]
    assert_only(hr.connection, first)


def test_a_key_is_free_after_a_day(hr: Office) -> None:
    """A key that was claimed more than a day ago is forgotten, so its next request is carried out."""
    ann = hire(hr.connection, "ann@example.com")
    hr.patch(ann, {"is_active": False}, **WITH_KEY)
    hr.connection.execute("update auth_sync_idempotency_keys set claimed_at = now() - interval '25 hours'")
    answer = hr.patch(ann, {"is_active": True}, **WITH_KEY)
    assert (answer.status_code, employee(hr.connection, ann)["is_active"]) == (200, True)


def test_prune_removes_old_answers(hr: Office, database: Database) -> None:
    """`prune` deletes the answers that are older than a day, also if no further request has a key."""
    ann = hire(hr.connection, "ann@example.com")
    for key, hours in (("old", 25), ("new", 23)):
        hr.patch(ann, {"is_active": False}, **{"Idempotency-Key": key})
        hr.connection.execute(
            "update auth_sync_idempotency_keys set claimed_at = now() - make_interval(hours => %s) where key = %s",
            [hours, key],
        )
    [now] = hr.connection.execute("select now() - interval '90 days' as before").fetchall()
    prune(database, now["before"])
    assert [row["key"] for row in hr.connection.execute("select key from auth_sync_idempotency_keys")] == ["new"]


def test_an_answer_is_not_repeated_without_the_admin_key(hr: Office) -> None:
    """A repeated request needs the admin key too."""
    hr.post(JANE_DOE, **WITH_KEY)
    answer = hr.client.post("/admin/api/employees", json=JANE_DOE, headers=WITH_KEY)
    assert reason_of(answer) == (401, "unauthorized")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "\xe4"], ids=["empty", "long", "tab", "not ASCII"])
def test_a_malformed_key_is_refused(hr: Office, key: str) -> None:
    """A key that is empty, too long or not printable ASCII gets a 422 that names the header. Nobody is created."""
    answer = hr.post(JANE_DOE, **{"Idempotency-Key": key})
    assert (answer.status_code, list(answer.get_json()["fields"])) == (422, ["Idempotency-Key"])
    assert pairs(hr.connection) == []


def test_every_request_that_changes_something_accepts_a_key(site: Flask) -> None:
    """Each POST and PATCH of the admin API reads the header."""
    routes = [
        (method, re.sub("<int:[a-z_]+>", "7", rule.rule).replace("<event_id>", "evt-1"))
        for rule in site.url_map.iter_rules()
        if rule.rule.startswith("/admin/api/")
        for method in (rule.methods or set()) & {"POST", "PATCH", "PUT", "DELETE"}
    ]
    assert len(routes) >= 9
    headers = AUTHORIZED | {"Idempotency-Key": "x" * 256}
    answers = {route: site.test_client().open(route[1], method=route[0], headers=headers) for route in routes}
    assert {route: answer.status_code for route, answer in answers.items()} == dict.fromkeys(routes, 422)
