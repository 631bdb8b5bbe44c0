"""One run of the reconciliation corrects the differences after any history with lost changes."""

import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import inbound, make_due, nothing_captured, nothing_linked, relay_all
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database

FAR = datetime(2126, 1, 1, tzinfo=UTC)
DISAGREEING = """
select 'link to a missing user' as what, e.employee_id from employees e left join auth.users u on u.id = e.auth_user_id
 where e.auth_user_id is not null and (u.id is null or u.deleted_at is not null)
union all
select 'other e-mail', e.employee_id from employees e join auth.users u on u.id = e.auth_user_id
 where u.email_confirmed_at is not null and u.email <> lower(e.email)
union all
select 'other name', e.employee_id from employees e join auth.users u on u.id = e.auth_user_id
 where u.raw_user_meta_data ->> 'first_name' <> e.first_name
union all
select 'not linked', e.employee_id from employees e join auth.users u on u.email = lower(e.email)
 where e.auth_user_id is null and u.email_confirmed_at is not null and u.deleted_at is null
   and not exists (select from employees o where o.auth_user_id = u.id)
   and (select count(*) from employees o where lower(o.email) = u.email and o.auth_user_id is null) = 1
"""


def run(database: Database, *, dry_run: bool = False) -> Reconciled:
    return reconcile(database, Policy(), requested_by="test", dry_run=dry_run)


class History:
    """Random changes of about twenty people. Some of the changes are not captured."""

    def __init__(self, dice: random.Random, connection: Connection, database: Database, auth: Auth) -> None:
        self._dice = dice
        self._connection = connection
        self._database = database
        self._auth = auth
        self._users: list[UUID] = []
        self._emails = [f"user{number}@example.com" for number in range(40)]
        dice.shuffle(self._emails)

    def step(self) -> None:
        lost = nothing_captured(self._connection) if self._dice.random() < 0.3 else nullcontext()
        with lost:
            self._act()
        if self._dice.random() < 0.2:
            relay_all(self._database)
        if self._dice.random() < 0.1:
            self._connection.execute("delete from integration_sync_log where random() < 0.2")

    def _act(self) -> None:
        dice, auth = self._dice, self._auth
        if self._emails and (not self._users or dice.random() < 0.35):
            email = self._emails.pop()
            if dice.random() < 0.8:
                with nothing_linked(self._connection) if dice.random() < 0.3 else nullcontext():
                    hire(self._connection, email)
            self._users.append(auth.admin_create(email, confirmed=dice.random() < 0.7))
            return
        user = dice.choice(self._users)
        actions: list[Callable[[], Any]] = [
            lambda: auth.confirm(user),
            lambda: auth.change_email(user, f"moved{dice.random()}@example.com"),
            lambda: auth.update_metadata(user, {"first_name": f"Name {dice.randint(1, 9)}"}),
            lambda: auth.ban(user, FAR),
            lambda: self._end(auth.soft_delete, user),
            lambda: self._end(auth.hard_delete, user),
        ]
        dice.choice(actions)()

    def _end(self, delete: Callable[[UUID], None], user: UUID) -> None:
        delete(user)
        self._users.remove(user)


@pytest.mark.campaign
@pytest.mark.parametrize("attempt", range(8))
def test_one_run_corrects_any_history(database: Database, connection: Connection, auth: Auth, attempt: int) -> None:
    """After random changes, some of them lost, the relay and one run leave no difference between Auth and employees."""
    seed = random.randrange(10**6)
    history = History(random.Random(seed), connection, database, auth)
    for _ in range(60):
        history.step()
    relay_all(database)
    run(database)
    assert run(database, dry_run=True).differences == {}, f"seed {seed}"
    assert connection.execute(DISAGREEING).fetchall() == [], f"seed {seed}"
    assert [event for event in inbound(connection) if event["status"] == "PENDING"] == [], f"seed {seed}"


def test_one_run_links_an_employee_that_becomes_the_only_match_during_the_run(
    database: Database, connection: Connection, auth: Auth
) -> None:
    """If a run links one of two employees with the same e-mail by number, it links the other employee by e-mail."""
    by_email = auth.admin_create("jane@example.com", id=UUID(int=1))
    auth.admin_create("other@example.com", app_metadata={"employee_number": "7"}, id=UUID(int=2))
    relay_all(database)
    with nothing_linked(connection):
        jane = hire(connection, "jane@example.com")
        hire(connection, "jane@example.com", employee_number="7")
    run(database)
    assert run(database, dry_run=True).differences == {}
    assert employee(connection, jane)["auth_user_id"] == by_email


def test_one_run_links_an_employee_whose_auth_user_was_deleted(
    database: Database, connection: Connection, auth: Auth
) -> None:
    """If a deletion and a new sign-up were both lost, one run links the employee to the new user."""
    jane = hire(connection, "jane@example.com")
    old = auth.admin_create("jane@example.com", id=UUID(int=2))
    relay_all(database)
    with nothing_captured(connection):
        auth.hard_delete(old)
        new = auth.admin_create("jane@example.com", id=UUID(int=1))
    run(database)
    make_due(connection)
    relay_all(database)
    assert run(database, dry_run=True).differences == {}
    assert employee(connection, jane)["auth_user_id"] == new
