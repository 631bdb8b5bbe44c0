"""Metadata can have any content, because callers and users write it. It never prevents capture."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on, entries, newest, reconciled, record_of, relay, writer
from webhook_service.db import migrate
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

USER = UUID(int=1)

ODD: dict[str, Any] = {
    "null": None,
    "number": 1,
    "text": "first_name",
    "boolean": True,
    "array": ["first_name", {"first_name": "Jane"}],
    "empty array": [],
    "deep": {"first_name": {"first_name": "Jane"}, "last_name": ["Doe"]},
    "wrong types": {"first_name": 1, "last_name": True, "employee_number": {"a": [1]}},
    "nulls": {"first_name": None, "last_name": None, "employee_number": None},
    "a huge name": {"first_name": "x" * 5_000_000, "last_name": "Doe", "employee_number": "9" * 5_000_000},
    "huge other values": {"first_name": "Jane", "bio": "x" * 5_000_000},
    "many keys": {f"key{number}": number for number in range(20_000)},
    "nested deeply": {"first_name": "Jane", "deep": json.loads("[" * 500 + "]" * 500)},
    "strange characters": {"first_name": "Jané \U0001f600 \u202e \"'\\ \n", "employee_number": "\u2028'; --"},
    "empty texts": {"first_name": "", "last_name": "   ", "employee_number": ""},
    "a fraction": {"employee_number": 1.5},
    "a negative number": {"employee_number": -0.0},
    "a long number": {"employee_number": 10**900},
    "a longer number": {"employee_number": 10**4000},
}


@pytest.fixture
def writing(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with writer(database_url) as connection:
        yield connection


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


def write(writing: psycopg.Connection[Any], metadata: Any) -> None:
    """Write the same metadata to both columns."""
    writing.execute(
        "insert into users (id, email, raw_user_meta_data, raw_app_meta_data)"
        " values (%(id)s, 'j@example.com', %(m)s, %(m)s)",
        {"id": USER, "m": Jsonb(metadata)},
    )


@pytest.mark.parametrize("name", ODD)
def test_a_user_with_any_metadata_is_captured_and_applied(
    connection: Connection, database: Database, writing: Any, name: str
) -> None:
    """A user with any metadata is captured as one row. The relay applies it, and reconciliation finds no difference."""
    write(writing, ODD[name])
    assert len(entries(connection, USER)) == 1
    relay(database)
    assert newest(connection, USER)["status"] == "SUCCESS"
    assert reconciled(database, dry_run=True).differences == {}


@pytest.mark.parametrize("name", ODD)
def test_a_change_to_any_metadata_is_captured(connection: Connection, writing: Any, name: str) -> None:
    """If any metadata and the e-mail change together, one row is captured, which has the new e-mail."""
    writing.execute("insert into users (id, email) values (%s, 'old@example.com')", [USER])
    writing.execute("update users set email = 'j@example.com', raw_user_meta_data = %s", [Jsonb(ODD[name])])
    assert [record_of(entry)["email"] for entry in entries(connection, USER)] == ["old@example.com", "j@example.com"]


def test_a_captured_row_is_short(connection: Connection, writing: Any) -> None:
    """A row of the ledger fits into a webhook of 20 kB, even if a user writes megabytes of metadata."""
    for name in ODD:
        write(writing, ODD[name])
        writing.execute("delete from users")
    found = connection.execute("select length(request_data::text) as length from integration_sync_log").fetchall()
    assert len(found) == 2 * len(ODD)
    assert max(row["length"] for row in found) < 20_000


def configure(database: Database, **name_fields: str) -> Policy:
    """Write NAME_FIELDS to the database, as `migrate` does."""
    policy = Policy(name_fields=name_fields)
    database.call("auth_sync_configure_v1", **migrate.trigger_settings(policy))
    return policy


def test_names_are_taken_from_the_fields_that_are_set(connection: Connection, database: Database, auth: Auth) -> None:
    """Only the keys in NAME_FIELDS are mapped. A change of another key is not an event."""
    policy = configure(database, first_name="given_name", last_name="family_name")
    employee_id = hire(connection, "jane@example.com")
    names = {"given_name": "Jane", "family_name": "Doe", "first_name": "No", "last_name": "No"}
    jane = auth.admin_create("jane@example.com", user_metadata=names)
    auth.update_metadata(jane, {"first_name": "Never"})
    [entry] = entries(connection, jane)
    assert record_of(entry)["raw_user_meta_data"] == {"given_name": "Jane", "family_name": "Doe"}
    run_once(database, policy, name="test")
    found = employee(connection, employee_id)
    assert (found["first_name"], found["last_name"]) == ("Jane", "Doe")


def test_without_name_fields_no_name_is_captured(connection: Connection, database: Database, auth: Auth) -> None:
    """If NAME_FIELDS is `none`, no name is captured."""
    configure(database)
    jane = auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane"})
    auth.update_metadata(jane, {"first_name": "Janet"})
    assert [record_of(entry)["raw_user_meta_data"] for entry in entries(connection, jane)] == [{}]


def test_two_columns_may_take_one_field(connection: Connection, database: Database, auth: Auth) -> None:
    """NAME_FIELDS may map one key to two columns."""
    configure(database, first_name="name", last_name="name")
    jane = auth.admin_create("jane@example.com", user_metadata={"name": "Jane"})
    assert record_of(newest(connection, jane))["raw_user_meta_data"] == {"name": "Jane"}


def test_reconciliation_finds_names_after_name_fields_change(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """After NAME_FIELDS changes, one run applies names that were not mapped before. The next run finds nothing."""
    employee_id = hire(connection, "jane@example.com")
    auth.admin_create("jane@example.com", user_metadata={"given_name": "Jane"})
    relay(database)
    assert employee(connection, employee_id)["first_name"] is None
    policy = configure(database, first_name="given_name")
    run = reconcile(database, policy, requested_by="test", dry_run=False)
    assert run.differences == {"changed": 1}
    assert employee(connection, employee_id)["first_name"] == "Jane"
    assert reconcile(database, policy, requested_by="test", dry_run=True).differences == {}
