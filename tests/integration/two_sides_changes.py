"""Random changes of a few people that HR and Auth's side make. A real company makes all of these changes.

There are few addresses, so that people share them. Ids are random values of the same seed, so that it repeats the run.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from tests.auth_stand_in import Auth
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.employee_changes import set_active

PLACES = "abcdef"
LINKED = PLACES[:4]
"""The people who exist on both sides at the beginning."""
MOST_EMPLOYEES = 6
MOST_USERS = 6
CENTURY = timedelta(days=36_525)

UPDATE = """
update employees e set email = f.email, is_active = f.is_active
  from unnest(%s::bigint[], %s::text[], %s::boolean[]) as f (employee_id, email, is_active)
 where e.employee_id = f.employee_id
"""
SWITCH = "update employees set is_active = not is_active where employee_id = %s"
INSERT = "insert into employees (email, is_active) values (%s, %s) returning employee_id"
Choices = list[tuple[int, Callable[[], int]]]
File = dict[int, tuple[str | None, bool]]
T = TypeVar("T")


def address(place: str) -> str:
    return f"{place}@example.com"


def chosen(dice: random.Random, choices: Sequence[tuple[int, T]]) -> T:
    """Choose from pairs of (weight, choice)."""
    return dice.choices([choice for _, choice in choices], [weight for weight, _ in choices])[0]


class Hr:
    """HR's side. `file` is HR's own list of employees: {employee_id: (email, is_active)}."""

    def __init__(self, connection: psycopg.Connection[Any], dice: random.Random) -> None:
        self._connection = connection
        self._dice = dice
        self.file: File = {}
        self._left: list[str | None] = []

    def change(self, accounts: Accounts, *, alone: bool) -> int:
        """Make a random change, and return the number of changed employees, or 0 if their table refuses it.

        If `alone`, an admin may also make the change through the service, which then changes the login at once.
        """
        before = dict(self.file)
        try:
            return chosen(self._dice, self._choices(accounts, alone))()
        except psycopg.errors.UniqueViolation:
            there = {row[0] for row in self._connection.execute("select employee_id from employees")}
            self.file = {employee_id: row for employee_id, row in before.items() if employee_id in there}
            return 0

    def hire(self, email: str | None, is_active: bool = True) -> int:
        [(employee_id,)] = self._connection.execute(INSERT, [email, is_active]).fetchall()
        self.file[employee_id] = (email, is_active)
        return 1

    def _choices(self, accounts: Accounts, alone: bool) -> Choices:
        choices: Choices = []
        if len(self.file) < MOST_EMPLOYEES:
            choices.append((3, lambda: self.hire(self._email_of_new(), self._dice.random() < 0.85)))
        if self.file:
            chosen_id = self._dice.choice(sorted(self.file))
            choices += [
                (5, lambda: self._switch(chosen_id)),
                (2 * alone, lambda: self._switch_by_admin(chosen_id, accounts)),
                (5, lambda: self._write({chosen_id: (self._email(), self.file[chosen_id][1])})),
                (3, lambda: self._delete(chosen_id)),
                (2, lambda: self._replace(chosen_id)),
                (1, lambda: self._write(dict(self.file))),  # an import of HR's whole file in one statement
            ]
        return choices

    def _email(self) -> str | None:
        """Choose an address that may differ in case or spaces, and rarely one that Auth cannot have."""
        roll = self._dice.random()
        if roll < 0.06:
            return self._dice.choice([None, "", "nobody"])
        email = address(self._dice.choice(PLACES))
        return f" {email.title()}" if roll > 0.8 else email

    def _email_of_new(self) -> str | None:
        """Choose an e-mail for a new employee, often that of an employee who left."""
        return self._dice.choice(self._left) if self._left and self._dice.random() < 0.6 else self._email()

    def _write(self, rows: File) -> int:
        emails, switches = zip(*rows.values(), strict=True)
        self._connection.execute(UPDATE, [list(rows), list(emails), list(switches)])
        self.file |= rows
        return len(rows)

    def _switch(self, chosen_id: int) -> int:
        self._connection.execute(SWITCH, [chosen_id])
        email, was_active = self.file[chosen_id]
        self.file[chosen_id] = (email, not was_active)
        return 1

    def _switch_by_admin(self, chosen_id: int, accounts: Accounts) -> int:
        email, was_active = self.file[chosen_id]
        self.file[chosen_id] = (email, not was_active)
        set_active(accounts.database, accounts, chosen_id, not was_active, via="api")
        return 1

    def _delete(self, chosen_id: int) -> int:
        self._connection.execute("delete from employees where employee_id = %s", [chosen_id])
        self._left.append(self.file.pop(chosen_id)[0])
        return 1

    def _replace(self, chosen_id: int) -> int:
        """Delete a row and insert it again, in either order and perhaps in one transaction, as some imports do."""
        row = self.file[chosen_id]
        steps: list[Callable[[], int]] = [lambda: self._delete(chosen_id), lambda: self.hire(*row)]
        self._dice.shuffle(steps)
        with self._connection.transaction() if self._dice.random() < 0.5 else nullcontext():
            return sum(step() for step in steps)


class AuthSide:
    """The users themselves, and an admin in Supabase's dashboard. `users` has all users that ever existed."""

    def __init__(self, connection: psycopg.Connection[Any], dice: random.Random) -> None:
        self._connection = connection
        self._auth = Auth(connection)
        self._dice = dice
        self.users: list[UUID] = []
        self.deleted: set[UUID] = set()
        """The users who were hard-deleted in the dashboard."""

    def change(self, *, alone: bool) -> int:
        """Make a random change, and return 1, or 0 if Auth refuses it. Unless `alone`, the service is calling Auth."""
        self._connection.execute(f"set application_name = {'auth' if alone else 'auth meanwhile'!r}")
        try:
            return self._change()
        except psycopg.errors.UniqueViolation:  # another user has that e-mail
            return 0
        except psycopg.errors.DeadlockDetected:  # two users swap e-mails, for which Auth answers 500
            return 0

    def _change(self) -> int:
        alive = {user: self._auth.users.row(user) for user in self.users if user not in self.deleted}
        living = [user for user, row in alive.items() if row["deleted_at"] is None]
        choices: Choices = []
        if len(living) < MOST_USERS:
            choices.append((4, self._sign_up))
        if living:
            user = self._dice.choice(living)
            email = address(self._dice.choice(PLACES))
            name = {"first_name": self._dice.choice(["Ann", "Bea", "Cleo"])}
            edits: list[tuple[int, Callable[[], object]]] = [
                (4, lambda: self._auth.change_email(user, email)),
                (2, lambda: self._auth.admin_change_email(user, email, confirmed=True)),
                (2, lambda: self._auth.update_metadata(user, name)),
                (2, lambda: self._auth.ban(user, datetime.now(UTC) + timedelta(days=1))),
                (2, lambda: self._auth.ban(user, datetime.now(UTC) + CENTURY)),
                (3, lambda: self._auth.unban(user)),
                (2, lambda: self._auth.sign_in(user)),
                (1, lambda: self._auth.soft_delete(user)),
                (1, lambda: self._hard_delete(user)),
            ]
            if alive[user]["email_confirmed_at"] is None:
                edits.append((10, lambda: self._auth.confirm(user)))
            choices += [(weight, self._one(edit)) for weight, edit in edits]
        return chosen(self._dice, choices)()

    def _one(self, edit: Callable[[], object]) -> Callable[[], int]:
        def done() -> int:
            edit()
            return 1

        return done

    def _sign_up(self) -> int:
        return self.sign_up(address(self._dice.choice(PLACES)), self._dice.random())

    def sign_up(self, email: str, way: float = 0.0) -> int:
        user = UUID(int=self._dice.getrandbits(128), version=4)
        if way < 0.6:
            self._auth.admin_create(email, id=user)
        elif way < 0.9:
            self._auth.sign_up(email, id=user)
        else:
            self._auth.sso_sign_up(email, id=user)
        self.users.append(user)
        return 1

    def _hard_delete(self, user: UUID) -> None:
        self._auth.hard_delete(user)
        self.deleted.add(user)
