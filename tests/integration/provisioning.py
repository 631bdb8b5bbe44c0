"""Runs of `provision` in a test's own database, with the double of Auth and without real waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.employees import Connection, hire
from tests.integration.auth_admins import client
from tests.integration.captured import end_leases
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.candidates import shared_emails, without_login
from webhook_service.outbound.pace import Pace
from webhook_service.outbound.provision import Provisioned, Provisioning
from webhook_service.policy import EmailOwner
from webhook_service.ports import AuthAdmin, Database

USERS = "/admin/users"
RATE = 1000
"""Logins per second. It is so high that no test waits for the rate limit."""


@dataclass
class Office:
    """Runs `provision`, and records the announced logins, the waits (in seconds) and the messages.

    `at_announcement` and `at_wait` are called during the run, `at_wait` in each wait of a second or more. Such a wait
    ends every pause. The run is stopped after `ends_after` announcements.
    """

    database: Database
    connection: Connection
    server: AuthServer
    admin: AuthAdmin
    announced: list[tuple[int, str, str | None]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    at_announcement: Callable[[int], object] = lambda employee_id: None
    at_wait: Callable[[float], object] = lambda seconds: None
    ends_after: int | None = None

    def run(self, admin: AuthAdmin | None = None, database: Database | None = None, **options: Any) -> Provisioned:
        database = database or self.database
        shared = shared_emails(without_login(database.call, orphans=options.get("orphans", False)))
        accounts = Accounts(database, admin or self.admin, EmailOwner.AUTH, RATE, lambda: datetime.now(UTC))
        pace = Pace(accounts, self.wait, self.said.append)
        return Provisioning(accounts, pace, "test", self.announce, shared=shared, **options).run()

    def announce(self, employee_id: int, email: str, password: str | None) -> None:
        self.announced.append((employee_id, email, password))
        self.at_announcement(employee_id)

    def wait(self, seconds: float) -> bool:
        if seconds >= 1:
            self.waits.append(seconds)
            self.at_wait(seconds)
            self.connection.execute("update auth_sync_rate set paused_until = now()")
        return self.ends_after is not None and len(self.announced) >= self.ends_after

    def passwords(self) -> dict[str, str | None]:
        """Return {e-mail: the password that was announced last}."""
        return {email: password for _, email, password in self.announced}

    def end_leases(self) -> None:
        end_leases(self.connection)

    def end_leases_at_each_wait(self) -> None:
        """End all leases in each wait of the run."""
        self.at_wait = lambda seconds: self.end_leases()


@contextmanager
def open_office(url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with auth_server(url, keep_passwords=True) as server, client(server) as admin:
        yield Office(database, connection, server, admin)


def assert_each_once(office: Office, count: int) -> None:
    """Assert that each employee has one login, and that the last announced password is the right one.

    Checks that Auth has no other logins, and that no intent is open.
    """
    emails = [f"user{n}@example.com" for n in range(1, count + 1)]
    assert [email for _, email in logins(office.connection)] == emails
    assert sorted(auth_users(office.connection)) == sorted(emails)
    assert {status for _, status, _ in intents(office.connection)} == {"SUCCESS"}
    assert office.passwords() == reported(office.server)


def hire_many(connection: Connection, count: int) -> list[int]:
    return [hire(connection, f"user{n}@example.com") for n in range(1, count + 1)]


def reported(server: AuthServer) -> dict[str, str]:
    """Return {e-mail: the password that Auth received last}."""
    calls = [call for call in server.calls if (call.method, call.path) == ("POST", USERS)]
    return {call.body["email"]: call.body["password"] for call in calls if "password" in call.body}


def logins(connection: Connection) -> list[tuple[int, str]]:
    """Return (employee_id, e-mail in Auth) of the employees whose link is an existing auth user."""
    query = "select employee_id, u.email from employees join auth.users u on u.id = auth_user_id order by 1"
    return [(row["employee_id"], row["email"]) for row in connection.execute(query)]


def auth_users(connection: Connection) -> list[str]:
    return [row["email"] for row in connection.execute("select email from auth.users order by created_at")]


def intents(connection: Connection) -> list[tuple[int, str, str | None]]:
    """Return (employee_id, status, outcome) of the intents, in the order of the ledger."""
    query = "select * from integration_sync_log where operation = 'create_auth_user' order by id"
    return [(row["employee_id"], row["status"], row["outcome"]) for row in connection.execute(query)]


def refuse_updates_of(connection: Connection, employee_id: int) -> None:
    connection.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
    )
    trigger = f"create trigger refuse before update on employees for each row when (new.employee_id = {employee_id})"
    connection.execute(f"{trigger} execute function refuse()".encode())
