"""An employee and its auth user are created at the same moment, so that neither transaction sees the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any
from uuid import UUID

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
    """Run the relay until nothing is due."""
    database = DirectDatabase(database_url)
    try:
        while run_once(database, Policy(), name="test").claimed:
            pass
    finally:
        database.close()


def test_a_long_import_is_linked_to_users_from_before_its_commit(
    database_url: str, connection: Connection, auth: Auth
) -> None:
    """An employee is linked without a reconcile even if the insert is committed after the user's event was applied."""
    with psycopg.connect(database_url, row_factory=dict_row) as importing:
        hired = hire(importing, "late@example.com")
        user = auth.admin_create("late@example.com")
        relay_all(database_url)
        importing.commit()
    relay_all(database_url)

    assert employee(connection, hired)["auth_user_id"] == user


def test_an_employee_inserted_while_its_event_is_applied_is_linked(
    database_url: str, connection: Connection, auth: Auth
) -> None:
    """An employee is linked if it is inserted while its auth user's event is applied and not yet committed."""
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


def test_an_event_that_failed_is_not_entered_again(database_url: str, connection: Connection, auth: Auth) -> None:
    """A link that the employees table refuses fails once, although the relay retries the hire."""
    connection.execute("alter table public.employees add constraint c check (auth_user_id is null) not valid")
    hire(connection, "jane@example.com")
    auth.admin_create("jane@example.com")
    for _ in range(2):
        relay_all(database_url)
        connection.execute("update auth_sync_hires set seen_at = seen_at - interval '1 minute'")

    rows = connection.execute("select status, outcome from integration_sync_log").fetchall()
    assert rows == [{"status": "FAILED", "outcome": "employee_rejected"}]


STEPS = ("the sign-up is applied", "it commits", "the user changes its key", "the change is applied", "it commits")
LEAVES: dict[str, Callable[[Auth, UUID], object]] = {
    "deleted": lambda auth, user: auth.hard_delete(user),
    "soft-deleted": lambda auth, user: auth.soft_delete(user),
    "another e-mail": lambda auth, user: auth.admin_change_email(user, "new@example.com", confirmed=True),
    "an employee number": lambda auth, user: auth.set_app_metadata(user, {"employee_number": "E-9"}),
}
"""The changes after which an auth user no longer matches the employee with its e-mail."""


@dataclass
class Interleaving:
    """A hire in one session, and the events of the auth user with the same e-mail in another session, step by step."""

    database_url: str
    auth: Auth
    leave: Callable[[Auth, UUID], object]
    isolation: psycopg.IsolationLevel
    user: UUID = field(init=False)
    hired: int = field(init=False)

    def run(self, insert_before: int, commit_before: int) -> None:
        """Insert the hire before one of the steps, and commit it before the same or a later step."""
        self.user = self.auth.admin_create("jane@example.com", user_metadata={"first_name": "Ada"})
        with (
            psycopg.connect(self.database_url, row_factory=dict_row) as importing,
            psycopg.connect(self.database_url, row_factory=dict_row) as applying,
        ):
            importing.isolation_level = self.isolation
            for number in range(len(STEPS) + 1):
                if number == insert_before:
                    self.hired = hire(importing, "jane@example.com", first_name="Eve")
                if number == commit_before:
                    importing.commit()
                if number < len(STEPS):
                    self.step(number, applying)

    def step(self, number: int, applying: Connection) -> None:
        if number == 2:
            self.leave(self.auth, self.user)
        elif number in (1, 4):
            applying.commit()
        else:
            self.apply(applying)

    def apply(self, applying: Connection) -> None:
        """Apply the pending events as a webhook does. An event that needs a locked row is left to the relay."""
        rows = applying.execute(
            "select to_jsonb(l) as row from public.integration_sync_log l"
            " where status = 'PENDING' and direction = 'inbound' order by version"
        ).fetchall()
        works = [
            to_json(handlers.decide(payload.from_ledger(row["row"], Policy().name_fields), Policy(), via=Via.RELAY))
            for row in rows
        ]
        try:
            applying.execute("select public.auth_sync_process_v1(%s, p_lock_timeout => '50ms')", [Jsonb(works)])
        except psycopg.errors.LockNotAvailable:
            applying.rollback()


@pytest.mark.campaign
@pytest.mark.parametrize("isolation", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ])
@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize(("insert_before", "commit_before"), [*combinations_with_replacement(range(6), 2)])
def test_a_hire_finds_the_user_that_has_its_e_mail_at_that_moment(
    database_url: str,
    connection: Connection,
    auth: Auth,
    insert_before: int,
    commit_before: int,
    leave: str,
    isolation: psycopg.IsolationLevel,
) -> None:
    """An employee is linked to the auth user that had its e-mail when the employee was inserted.

    The insert and its commit may happen at any point of the user's events, and the user may have another key or be
    deleted by the time of the commit.
    """
    race = Interleaving(database_url, auth, LEAVES[leave], isolation)
    race.run(insert_before, commit_before)
    relay_all(database_url)
    connection.execute("update auth_sync_hires set seen_at = seen_at - interval '1 minute'")
    relay_all(database_url)

    found = employee(connection, race.hired)
    linked = found["orphaned_auth_user_id"] if "deleted" in leave else found["auth_user_id"]
    if insert_before <= 2:
        assert (linked, found["first_name"]) == (race.user, "Ada")
    elif insert_before == 5:
        assert (linked, found["first_name"]) == (None, "Eve")
