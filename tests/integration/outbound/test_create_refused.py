"""POST /admin/api/employees with what cannot be: a clear refusal, before anything is written or Auth is called.

What employees' own rules refuse is in test_create_against_rules.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.captured import everything
from tests.integration.hiring import EMAIL, JANE_DOE, Office, office, reason_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import Settings

LONG_NAME, LONG_EMAIL = "x" * 201, f"{'x' * 64}@{'.'.join(['y' * 60] * 4)}.com"
LIKE_A_UUID = "7d9c1a52-5a0e-4c5b-9f3a-2f6d0c1b8e1"
CANARY = "Canary"
"""What was wrong is not repeated."""


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        hire(connection, "somebody.else@example.com", employee_id=100)
        yield made


def refused(hr: Office, body: Json) -> tuple[int, str, set[str]]:
    """Status, reason and the names of the fields, after it was made sure that nothing happened."""
    before = everything(hr.connection)
    answer = hr.post(body)
    assert answer.status_code // 100 == 4, answer.text
    assert (everything(hr.connection), hr.auth.calls) == (before, [])
    assert CANARY not in answer.text
    assert answer.content_type == "application/problem+json"
    said: dict[str, Any] = answer.get_json()
    return answer.status_code, said["reason"], set(said.get("fields", {}))


EMAILS: list[Json] = [
    *(None, "", " ", CANARY, f"{CANARY}@", "@example.com", f"a b@{CANARY}.com", 17, True, [EMAIL], {"a": EMAIL}),
    *(LONG_EMAIL, f"{EMAIL}\n", f"{CANARY}@example.com, b@example.com", f"{CANARY}@@example.com"),
]
NO_TEXTS: list[Json] = [None, 5, 1.5, True, [CANARY], {"a": CANARY}, LONG_NAME]
VALUES: dict[str, list[Json]] = {
    "email": EMAILS,
    "first_name": NO_TEXTS,
    "last_name": NO_TEXTS,
    "employee_number": [*NO_TEXTS, ""],
    "user_type_id": [None, CANARY, "", [1], {"a": 1}, 2**63, -(2**63) - 1],
    "is_active": [None, False, "no", 0, CANARY],
    "invite": [None, CANARY, 2, [True]],
    "auth_user_id": [None, "", CANARY, 7, LIKE_A_UUID, [str(JANE)]],
    "requested_by": [None, 7, "x" * 101, "Ann\n", f"<{CANARY}>"],
}
"""What none of the fields can be: of the wrong type, too long, empty, or no such thing."""


@pytest.mark.parametrize("name", VALUES)
def test_what_is_named_must_fit(hr: Office, name: str) -> None:
    """422, with the name of the field."""
    for value in VALUES[name]:
        assert refused(hr, JANE_DOE | {name: value}) == (422, "invalid_query", {name}), value


def test_a_number_is_not_rounded(hr: Office) -> None:
    """Half a type is none."""
    assert refused(hr, JANE_DOE | {"user_type_id": 1.5})[0] == 422


def test_the_address_is_required(hr: Office) -> None:
    """All else may be left out."""
    body = {name: value for name, value in JANE_DOE.items() if name != "email"}
    assert refused(hr, body) == (422, "invalid_query", {"email"})


NOT_COLUMNS: dict[str, list[Json]] = {
    "orphaned_at": [None, "2026-11-22T12:00:00Z"],
    "orphaned_auth_user_id": [None, str(JANE)],
    "nickname": [None, CANARY],
    "ctid": ["(0,1)"],
    "password": [CANARY],
    "": [1],
    "Email": [EMAIL],
    '"; drop table employees; --': [CANARY],
    "x" * 100: [CANARY],
}
FURTHER = pytest.mark.parametrize("further", [{}, {"auth_user_id": str(JANE)}], ids=["new login", "existing login"])


@FURTHER
def test_columns_that_are_not_there_or_not_theirs_are_refused(hr: Office, further: dict[str, Json]) -> None:
    """422, with the name of the column: what employees do not have, and what is for us to write."""
    for name, values in NOT_COLUMNS.items():
        for value in values:
            assert refused(hr, JANE_DOE | {name: value} | further) == (422, "invalid_query", {name}), value


@FURTHER
@pytest.mark.parametrize("value", [100, 7, "100", CANARY, None])
def test_nobody_chooses_the_key(hr: Office, value: Json, further: dict[str, Json]) -> None:
    """An employee who is there already is not given a login so, least of all with an address of the caller's choice."""
    assert refused(hr, JANE_DOE | {"employee_id": value} | further) == (422, "invalid_query", {"employee_id"})


def test_a_generated_column_is_refused(hr: Office) -> None:
    """As is an identity that nobody may set."""
    hr.connection.execute(
        "alter table employees add column shouted text generated always as (upper(email)) stored,"
        " add column number bigint generated always as identity"
    )
    assert refused(hr, JANE_DOE | {"shouted": CANARY, "number": 1}) == (422, "invalid_query", {"shouted", "number"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not_json"),
        (b'{"email": "jane.doe@example.com", "x": NaN}', "not_json"),
        (b"\xff", "not_utf8"),
        (b"[" * 100_000, "too_deep"),
        (b'{"email": "jane.doe@example.com", "first_name": "\\u0000"}', "unstorable_text"),
        (b'{"email": "jane.doe@example.com", "first_name": "\\ud800"}', "unstorable_text"),
        (b'{"email": "jane.doe@example.com", "email": "joe@example.com"}', "duplicate_key"),
    ],
)
def test_a_body_that_is_no_json_is_refused(hr: Office, body: bytes, reason: str) -> None:
    """400, with what is wrong."""
    assert refused(hr, body)[:2] == (400, reason)


def test_a_body_that_is_no_employee_is_refused(hr: Office) -> None:
    """Nothing at all, and JSON that is no object."""
    for body in (b"", b"{}", b"[]", b"null", b"5", b'"jane.doe@example.com"', b"[[]]", b'["email"]'):
        assert refused(hr, body)[:2] == (422, "invalid_query"), body


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 5000], ids=["1e400", "-1e400", "5000 digits"])
def test_a_number_that_nothing_can_hold_is_refused(hr: Office, number: bytes) -> None:
    """JSON, but neither ours nor PostgreSQL's."""
    hr.connection.execute("alter table employees add column salary numeric")
    body = b'{"email": "jane.doe@example.com", "salary": %b}' % number
    assert refused(hr, body)[0] in (400, 422)


def test_a_switch_that_does_not_fit_is_refused(hr: Office) -> None:
    """422, and nobody is switched."""
    before = everything(hr.connection)
    for body in (b"", b"{}", b"[]", b"null", b"5", b'{"is_active": null}', b'{"is_active": "Canary"}'):
        answer = hr.patch(100, body)
        assert reason_of(answer) == (422, "invalid_query"), body
        assert CANARY not in answer.text
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


def test_a_switch_changes_nothing_else(hr: Office) -> None:
    """422, with the name of what cannot be changed so."""
    before = everything(hr.connection)
    for name in ("email", "auth_user_id", "nickname"):
        answer = hr.patch(100, {"is_active": False, name: CANARY})
        assert (*reason_of(answer), set(answer.get_json()["fields"])) == (422, "invalid_query", {name})
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


@pytest.mark.parametrize("employee_id", ["2", "0", "9223372036854775807", "9223372036854775808", "9" * 30])
def test_an_unknown_employee_is_not_found(hr: Office, employee_id: str) -> None:
    """404, also where no employee could have that number."""
    answer = hr.patch(int(employee_id), {"is_active": False})
    assert reason_of(answer) == (404, "employee_not_found")
    assert hr.auth.calls == []
