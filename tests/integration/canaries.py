"""Payloads with a canary in each value that the service does not need, and checks that no canary leaks."""

import json

import pytest
from werkzeug.test import TestResponse

from tests.auth_traffic import CONFIRMED, SECRET, row
from tests.employees import Connection
from webhook_service.events import Json
from webhook_service.log import JsonFormatter

CANARY = "cAnArY"
SECRET_COLUMNS = (
    "encrypted_password", "confirmation_token", "recovery_token", "email_change_token_new", "email_change",
    "email_change_token_current", "phone", "phone_change", "phone_change_token", "reauthentication_token",
    "aud", "role", "a_column_of_tomorrow",
)  # fmt: skip
EMAIL = "jane.doe@example.com"


def canaries(half: str, **columns: Json) -> dict[str, Json]:
    """Return a row of auth.users with a canary in each unneeded place: in values, in keys, and nested."""
    return (
        row(email=EMAIL, email_confirmed_at=CONFIRMED)
        | {column: f"{CANARY}-{half}-{column}" for column in SECRET_COLUMNS}
        | {
            "email_change": f"{CANARY}@example.com",
            "raw_user_meta_data": {
                "first_name": "Jane",
                "last_name": {"deep": f"{CANARY}-last-name"},
                "full_name": f"{CANARY}-name",
                f"{CANARY}-key": [{"deep": f"{CANARY}-deep"}],
            },
            "raw_app_meta_data": {"employee_number": ["no", f"{CANARY}"], "provider": CANARY, CANARY: 1},
        }
        | columns
    )


def webhook(operation: str, **columns: Json) -> dict[str, Json]:
    """Return a payload with canaries in both records, and outside of them."""
    return {
        "type": operation,
        "schema": "auth",
        "table": "users",
        "record": canaries("new", **columns) if operation != "DELETE" else None,
        "old_record": canaries("old", **columns) if operation != "INSERT" else None,
        "extra": f"{CANARY}-extra",
    }


def lines(log: pytest.LogCaptureFixture) -> str:
    """Return the log's lines as the service writes them."""
    formatter = JsonFormatter()
    return "\n".join(formatter.format(record) for record in log.records)


def contents(connection: Connection) -> str:
    """Return every row of every table in the schema public, as one text."""
    tables = connection.execute(
        "select c.oid::regclass::text as name from pg_class c"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm')"
    ).fetchall()
    assert len(tables) >= 5
    rows = [
        connection.execute(f"select jsonb_agg(to_jsonb(t)) as rows from {table['name']} t").fetchone()  # noqa: S608
        for table in tables
    ]
    return json.dumps(rows, default=str)


def assert_no_canary_leaked(
    connection: Connection, log: pytest.LogCaptureFixture, *answers: TestResponse, canary: str = CANARY
) -> None:
    assert canary not in "".join(answer.get_data(as_text=True) + str(answer.headers) for answer in answers)
    assert canary not in contents(connection)
    assert canary not in lines(log)
    assert EMAIL not in lines(log)
    assert SECRET.removeprefix("whsec_") not in lines(log)
