"""An employee and its auth user come at the same moment: neither transaction sees the other."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.auth_stand_in import Auth
from tests.employees import employee, hire
from webhook_service.db.direct import DirectDatabase
from webhook_service.events import Via
from webhook_service.inbound import handlers, payload
from webhook_service.inbound.processing import to_json
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy

Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield Auth(connection)


def relay_all(database_url: str) -> None:
    """What the relay does until nothing is due."""
    database = DirectDatabase(database_url)
    try:
        while run_once(database, Policy(), name="test").claimed:
            pass
    finally:
        database.close()


def test_an_import_that_takes_long_is_linked_to_users_who_come_before_its_commit(
    database_url: str, connection: Connection, auth: Auth
) -> None:
    """An employee whose insert is committed only after its user's event was applied is linked, without reconcile."""
    with psycopg.connect(database_url, row_factory=dict_row) as importing:
        hired = hire(importing, "late@example.com")
        user = auth.admin_create("late@example.com")
        relay_all(database_url)
        importing.commit()
    relay_all(database_url)

    assert employee(connection, hired)["auth_user_id"] == user


def test_an_employee_who_comes_while_its_users_event_is_applied_is_linked(
    database_url: str, connection: Connection, auth: Auth
) -> None:
    """An employee that is inserted while its auth user's event is applied, and not yet committed, is linked."""
    user = auth.admin_create("late@example.com")
    event = connection.execute("select to_jsonb(l) as row from public.integration_sync_log l").fetchone()
    assert event is not None
    work = handlers.decide(payload.from_ledger(event["row"], Policy().name_fields), Policy(), via=Via.RELAY)
    with psycopg.connect(database_url) as applying:
        applying.execute("select public.auth_sync_process_v1(%s)", [Jsonb([to_json(work)])])
        hired = hire(connection, "late@example.com")
        applying.commit()
    relay_all(database_url)

    assert employee(connection, hired)["auth_user_id"] == user
