"""POST /admin/api/employees refuses impossible values before any row is written or Auth is called.

test_create_against_rules.py has refusals by the employees table's own rules.
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
"""A wrong value, which must not be repeated."""


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        hire(connection, "somebody.else@example.com", employee_id=100)
        yield made


def refused(hr: Office, body: Json) -> tuple[int, str, set[str]]:
    """Check that no row was written and Auth was not called, and return status, reason and field names."""
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
NOT_TEXTS: list[Json] = [None, 5, 1.5, True, [CANARY], {"a": CANARY}, LONG_NAME]
VALUES: dict[str, list[Json]] = {
    "email": EMAILS,
    "first_name": NOT_TEXTS,
    "last_name": NOT_TEXTS,
    "employee_number": [*NOT_TEXTS, ""],
    "user_type_id": [None, CANARY, "", [1], {"a": 1}, 2**63, -(2**63) - 1],
    "is_active": [None, False, "no", 0, CANARY],
    "invite": [None, CANARY, 2, [True]],
    "auth_user_id": [None, "", CANARY, 7, LIKE_A_UUID, [str(JANE)]],
    "requested_by": [None, 7, "x" * 101, "Ann\n", f"<{CANARY}>"],
}
"""Values that the fields cannot have, because they have a wrong type or are too long, empty or unknown."""


@pytest.mark.parametrize("name", VALUES)
def test_each_field_must_be_valid(hr: Office, name: str) -> None:
    """A field with an impossible value gets 422 with the field's name."""
    for value in VALUES[name]:
        assert refused(hr, JANE_DOE | {name: value}) == (422, "invalid_query", {name}), value


def test_a_number_is_not_rounded(hr: Office) -> None:
    """A fraction is refused where an integer is needed."""
    assert refused(hr, JANE_DOE | {"user_type_id": 1.5})[0] == 422


def test_the_e_mail_is_required(hr: Office) -> None:
    """The e-mail is required, and all other fields are optional."""
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
def test_unknown_and_reserved_columns_are_refused(hr: Office, further: dict[str, Json]) -> None:
    """A column that `employees` does not have, or that this service writes, gets 422 with its name."""
    for name, values in NOT_COLUMNS.items():
        for value in values:
            assert refused(hr, JANE_DOE | {name: value} | further) == (422, "invalid_query", {name}), value


@FURTHER
@pytest.mark.parametrize("value", [100, 7, "100", CANARY, None])
def test_employee_id_is_refused(hr: Office, value: Json, further: dict[str, Json]) -> None:
    """A request for an existing `employee_id` is refused, because the caller could choose the login's e-mail."""
    assert refused(hr, JANE_DOE | {"employee_id": value} | further) == (422, "invalid_query", {"employee_id"})


def test_a_generated_column_is_refused(hr: Office) -> None:
    """A generated column and an identity column get 422 with their names."""
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
def test_a_body_that_is_not_json_is_refused(hr: Office, body: bytes, reason: str) -> None:
    """A body that is not JSON gets 400 with the reason."""
    assert refused(hr, body)[:2] == (400, reason)


def test_a_body_that_is_not_an_employee_is_refused(hr: Office) -> None:
    """An empty body and JSON that is not an object get 422."""
    for body in (b"", b"{}", b"[]", b"null", b"5", b'"jane.doe@example.com"', b"[[]]", b'["email"]'):
        assert refused(hr, body)[:2] == (422, "invalid_query"), body


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 5000], ids=["1e400", "-1e400", "5000 digits"])
def test_a_number_that_is_too_large_is_refused(hr: Office, number: bytes) -> None:
    """A number that neither Python nor PostgreSQL can hold is refused."""
    hr.connection.execute("alter table employees add column salary numeric")
    body = b'{"email": "jane.doe@example.com", "salary": %b}' % number
    assert refused(hr, body)[0] in (400, 422)


def test_an_invalid_patch_is_refused(hr: Office) -> None:
    """A PATCH with an invalid body gets 422, and changes no employee."""
    before = everything(hr.connection)
    for body in (b"", b"{}", b"[]", b"null", b"5", b'{"is_active": null}', b'{"is_active": "Canary"}'):
        answer = hr.patch(100, body)
        assert reason_of(answer) == (422, "invalid_query"), body
        assert CANARY not in answer.text
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


def test_a_patch_of_other_columns_is_refused(hr: Office) -> None:
    """A PATCH of other columns gets 422 with the column's name."""
    before = everything(hr.connection)
    for name in ("email", "auth_user_id", "nickname"):
        answer = hr.patch(100, {"is_active": False, name: CANARY})
        assert (*reason_of(answer), set(answer.get_json()["fields"])) == (422, "invalid_query", {name})
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


@pytest.mark.parametrize("employee_id", ["2", "0", "9223372036854775807", "9223372036854775808", "9" * 30])
def test_an_unknown_employee_is_not_found(hr: Office, employee_id: str) -> None:
    """An unknown or impossible employee_id gets 404."""
    answer = hr.patch(int(employee_id), {"is_active": False})
    assert reason_of(answer) == (404, "employee_not_found")
    assert hr.auth.calls == []
