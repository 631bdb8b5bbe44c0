"""An invented company in a database, with forty people, a day of changes, and a few failures.

All changes go through the service, like changes of Auth and HR. Afterwards they are spread over the hours of the day.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from tests.auth_stand_in import Auth
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger import employees, relay
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner, Policy

Connection = psycopg.Connection[dict[str, Any]]

NAMES = (
    "Amara Okafor", "Ben Hartley", "Chiara Moretti", "Daniel Weiss", "Elena Petrova", "Farid Haddad",
    "Grace Lindqvist", "Hugo Marchand", "Ines Carvalho", "Jonas Keller", "Katya Sorokina", "Liam Doyle",
    "Mei Tanaka", "Noah Brandt", "Olga Novak", "Priya Raman", "Quentin Leroy", "Rosa Delgado", "Samuel Osei",
    "Tessa Vermeer", "Umar Siddiqui", "Vera Lindholm", "Wen Zhao", "Ximena Torres", "Yusuf Demir", "Zoe Papadaki",
    "Anton Bauer", "Bianca Rossi", "Carl Nyberg", "Dalia Cohen", "Emil Larsen", "Fatima Zahra", "Gustav Holm",
    "Hana Kimura", "Ivan Horvat", "Julia Meyer", "Kwame Mensah", "Lucia Romano", "Marek Dvorak", "Nadia Rahman",
)  # fmt: skip
PRESENT = 33
"""The number of people with an old login. Some of the other people get a login today."""

NEEDS_NUMBER = "check (auth_user_id is null or employee_number is not null) not valid"

TIMEOUT_SECONDS = 20.0

SESSIONS_END_NOW = "update public.auth_sync_session_ends set due_at = now() where due_at > now()"
"""The sessions of a banned login end a second time 12 seconds after the ban."""

UNDER_WAY = """
select from public.integration_sync_log where status = 'PENDING' or leased_until > clock_timestamp()
"""

SPREAD = """
with day as (
  select id, row_number() over (order by id) - 1 as place, count(*) over () as count
    from public.integration_sync_log where direction <> 'maintenance'
), pairs as (
  select id, (place - place % 2 + 0.3 * (place % 2)) / count::float as part from day
), shift as (
  select id, interval '1 minute' * (15 + 1390 * (1 - part) + 85 * sin(4 * pi() * part)) as ago from pairs
)
update public.integration_sync_log l
   set created_at = now() - ago,
       completed_at = l.completed_at - l.created_at + now() - ago
  from shift where shift.id = l.id
"""
"""Spreads the events over busy and quiet hours, in the order of the ledger. The events of a pair are close together."""
ATTEMPTS = "update public.auth_sync_attempts a set at = l.created_at from integration_sync_log l where l.id = a.log_id"


def email_of(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@example.com"


class Company:
    """A company with its Auth and its HR. Only `settle` applies events, unless a relay runs elsewhere."""

    def __init__(self, url: str, hr: Connection, auth: Auth, database: DirectDatabase) -> None:
        self.hr = hr
        self.auth = auth
        self.database = database
        self._accounts = Accounts(database, LocalAuthAdmin(url), EmailOwner.AUTH, 1000, lambda: datetime.now(UTC))

    def hire(self, name: str, number: str | None = None, email: str | None = None) -> int:
        first, last = name.split(" ", 1)
        hired = self.hr.execute(
            "insert into public.employees (first_name, last_name, email, employee_number, is_active)"
            " values (%s, %s, %s, %s, true) returning employee_id",
            [first, last, email or email_of(name), number],
        ).fetchone()
        assert hired is not None
        return int(hired["employee_id"])

    def sign_up(self, name: str) -> UUID:
        """Create a login with a confirmed e-mail."""
        first, last = name.split(" ", 1)
        user = self.auth.sign_up(email_of(name), user_metadata={"first_name": first, "last_name": last})
        self.auth.confirm(user)
        return user

    def change(self, name: str, column: str, value: object) -> None:
        """Change an employee, as HR does."""
        query = f"update public.employees set {column} = %s where email = %s"  # noqa: S608
        self.hr.execute(query.encode(), [value, email_of(name)])

    def employee(self, name: str) -> int:
        """Return the id of an employee whose e-mail has not changed."""
        found = self.hr.execute(
            "select employee_id from public.employees where email = %s", [email_of(name)]
        ).fetchone()
        assert found is not None
        return int(found["employee_id"])

    @contextmanager
    def before_installation(self) -> Iterator[None]:
        """Leave changes uncaptured, as if they had been made before the installation."""
        for table in ("public.employees", "auth.users"):
            self.hr.execute(f"alter table {table} disable trigger user".encode())
        yield
        for table in ("public.employees", "auth.users"):
            self.hr.execute(f"alter table {table} enable trigger user".encode())

    def ambiguous(self, email: str, *names: str) -> UUID:
        """Hire these employees with one e-mail, and create one login with it."""
        for name in names:
            self.hire(name, None, email)
        return self.auth.admin_create(email)

    def add_unlinkable(self, *names: str) -> None:
        """Hire employees without a number, and sign them up.

        A constraint requires a number for a login, so they need attention.
        """
        self.hr.execute(f"alter table public.employees add constraint login_needs_number {NEEDS_NUMBER}".encode())
        for name in names:
            self.hire(name)
            self.sign_up(name)
        self.settle()
        self.stop_retries()

    def fix_constraint(self) -> None:
        self.hr.execute("alter table public.employees drop constraint login_needs_number")

    def stop_retries(self) -> None:
        """Mark the failed events as if their last attempt had failed."""
        self.hr.execute("update public.integration_sync_log set next_attempt_at = null where status = 'FAILED'")

    def settle(self) -> None:
        """Wait until no row is due or leased, even if a relay runs elsewhere."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self.hr.execute(SESSIONS_END_NOW)
            claimed = relay.run_once(self.database, Policy(), name="relay").claimed
            if not claimed and not self._accounts.run_once("relay").claimed and not self.hr.execute(UNDER_WAY).rowcount:
                return
        raise AssertionError("events are still due or under way")

    def live_a_day(self) -> None:
        """Give most people a login, and then have a day with hires, moves, dismissals and a few failures."""
        for number, name in enumerate(NAMES, start=1001):
            self.hire(name, f"E-{number}")
        users = {name: self.sign_up(name) for name in NAMES[:PRESENT]}
        self.settle()
        self.auth.update_metadata(users["Grace Lindqvist"], {"last_name": "Lindqvist-Berg"})
        self.auth.change_email(users["Liam Doyle"], "liam.oconnor@example.com")
        self.auth.hard_delete(users["Quentin Leroy"])
        for name in ("Hugo Marchand", "Olga Novak", "Wen Zhao"):
            self.change(name, "is_active", False)
            self.settle()
        self.change("Wen Zhao", "is_active", True)
        self.auth.sign_up("jobs@example.com")
        self.auth.anonymous()
        for name in NAMES[PRESENT : PRESENT + 4]:
            self.sign_up(name)
        self.settle()
        self.ambiguous("frontdesk@example.com", "Alma Reyes", "Otto Lind")
        self.change("Vera Lindholm", "email", "mei.tanaka@example.com ")  # Mei's login has this e-mail
        self.settle()
        self.add_unlinkable("Rita Sandoval", "Theo Blanc")
        employees.refresh_differences(self.database)
        self.hr.execute(SPREAD)
        self.hr.execute(ATTEMPTS)
        self.hr.execute("analyze")


@contextmanager
def company_of(url: str) -> Iterator[Company]:
    database = DirectDatabase(url)
    with (
        psycopg.connect(url, autocommit=True, row_factory=dict_row) as hr,
        psycopg.connect(url, autocommit=True) as auth,
    ):
        yield Company(url, hr, Auth(auth), database)
    database.close()
