"""POST /admin/api/imports plans and imports a CSV file."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked
from webhook_service.web.api import imports

FILE = "employee_number,email,last_name\n1,jane@example.com,Roe\n2,nia@example.com,Wu\n"


def send(client: FlaskClient, file: str | bytes, query: str = "", **headers: str) -> TestResponse:
    authorized = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "text/csv"} | headers
    return client.post(f"/admin/api/imports{query}", data=file, headers=authorized)


def count(connection: Connection) -> int:
    return len(connection.execute("select from employees").fetchall())


def test_the_default_is_a_dry_run(client: FlaskClient, connection: Connection) -> None:
    """Without `dry_run=false`, the answer is the plan, and nothing is changed, stored or audited."""
    jane = hire(connection, "jane@example.com", employee_number="1", last_name="Doe")
    answer = send(client, f"{FILE}3,n/a,X\n")
    assert (answer.status_code, answer.get_json()) == (
        200,
        {
            "dry_run": True,
            "counts": {"new": 1, "changed": 1, "leaves": 0, "unchanged": 0, "refused": 1},
            "logins": 0,
            "is_mass_deactivation": False,
            "changes": [
                {
                    "kind": "new",
                    "line": 3,
                    "employee_id": None,
                    "email": "nia@example.com",
                    "changes": {},
                },
                {
                    "kind": "changed",
                    "line": 2,
                    "employee_id": jane,
                    "email": "jane@example.com",
                    "changes": {"last_name": {"from": "Doe", "to": "Roe"}},
                },
            ],
            "refused": [
                {
                    "line": 4,
                    "employee_id": None,
                    "column": "email",
                    "reason": "unusable_email",
                    "detail": "email: This is not an e-mail address.",
                }
            ],
        },
    )
    assert count(connection) == 1
    assert connection.execute("select from auth_sync_imports union all select from auth_sync_audit").fetchall() == []


def test_an_import_is_audited(client: FlaskClient, connection: Connection) -> None:
    """With `dry_run=false`, the lines are imported, and the audit has the counts."""
    answer = send(client, FILE, "?dry_run=false&requested_by=HR")
    assert (answer.status_code, answer.get_json()["counts"]["new"], count(connection)) == (200, 2, 2)
    [entry] = connection.execute("select who, action, result, reason from auth_sync_audit").fetchall()
    assert list(entry.values()) == ["HR", "import employees", "done", "2 new, 0 changed, 0 unchanged, 0 refused"]


def test_refused_lines_prevent_the_import(client: FlaskClient, connection: Connection) -> None:
    """If a line is refused, nothing is imported, unless `skip_refused=true`."""
    file = "email\nn/a\na@example.com\n"
    answer = send(client, file, "?dry_run=false")
    assert (answer.status_code, answer.get_json()["reason"], count(connection)) == (409, "refused_lines", 0)
    assert send(client, file, "?dry_run=false&skip_refused=true").status_code == 200
    assert count(connection) == 1
    assert connection.execute("select from auth_sync_imports").fetchall() == []


def test_a_mass_deactivation_prevents_the_import(client: FlaskClient, connection: Connection) -> None:
    """A mass deactivation needs `allow_mass_deactivation=true`."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", auth_user_id=uuid4())
    query = "?dry_run=false&deactivate_missing=true"
    answer = send(client, "email\ne0@example.com\n", query)
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "mass_deactivation")
    assert employee(connection, 2)["is_active"] is True
    assert send(client, "email\ne0@example.com\n", f"{query}&allow_mass_deactivation=true").status_code == 200
    assert employee(connection, 2)["is_active"] is False


def test_a_retry_with_its_key_is_not_carried_out_again(client: FlaskClient, connection: Connection) -> None:
    """The same file and query with the same Idempotency-Key get the first answer. Others are refused."""
    first = send(client, FILE, "?dry_run=false", **{"Idempotency-Key": "k1"})
    again = send(client, FILE, "?dry_run=false", **{"Idempotency-Key": "k1"})
    assert (first.get_json()["counts"]["new"], again.get_json()) == (2, first.get_json())
    assert again.headers["Idempotency-Replayed"] == "true"
    for file, query in ((FILE, "?dry_run=true"), (f"{FILE}3,x@example.com,X\n", "?dry_run=false")):
        other = send(client, file, query, **{"Idempotency-Key": "k1"})
        assert (other.status_code, other.get_json()["reason"]) == (422, "key_reused")
    assert count(connection) == 2


REFUSED: dict[str, tuple[Any, str, dict[str, str], int, str]] = {
    "no file": (b"", "", {}, 400, "bad_file"),
    "not CSV": (b"{}", "", {"Content-Type": "application/json"}, 400, "bad_file"),
    "unknown column": (b"email,x\na@example.com,1\n", "", {}, 400, "bad_file"),
    "wrong option": (b"email\na@example.com\n", "?dry_run=maybe", {}, 422, "invalid_query"),
    "unknown option": (b"email\na@example.com\n", "?dryrun=false", {}, 422, "invalid_query"),
    "no key": (b"email\na@example.com\n", "", {"Authorization": ""}, 401, "unauthorized"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused(client: FlaskClient, connection: Connection, case: str) -> None:
    """A request without a usable file, or with wrong options, changes nothing."""
    file, query, headers, status, reason = REFUSED[case]
    answer = send(client, file, query, **headers)
    assert (answer.status_code, answer.get_json()["reason"], count(connection)) == (status, reason, 0)


def test_a_file_may_be_larger_than_other_bodies(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be larger than the limit of other requests, up to its own limit."""
    file = b"email,first_name\na@example.com," + b"x" * 100_000 + b"\n"
    client.application.config["MAX_CONTENT_LENGTH"] = 1000
    assert send(client, file).status_code == 200
    monkeypatch.setattr(imports, "MAX_BYTES", 50_000)
    answer = send(client, file)
    assert (answer.status_code, answer.get_json()["reason"]) == (413, "too_large")
