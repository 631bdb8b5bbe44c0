"""A company with one employee and her login, and Accounts that perform actions in the double of Supabase Auth."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.auth_stand_in import Auth
from tests.employees import Connection, employee
from tests.integration.captured import auth_of, end_leases, make_due
from tests.integration.requested_actions import (
    POLICIES,
    RATE,
    accounts_of,
    actions,
    fill_bucket,
    linked,
    run_until_idle,
)
from tests.kept_databases import database_of, session_of
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

JANE = "jane@example.com"
HR = "hr@example.com"
"""The new e-mail that HR writes for Jane into employees."""


@dataclass(frozen=True, slots=True)
class Company:
    """The employees and auth users of one database. `jane` is an employee's id, `user` is her auth user."""

    connection: Connection
    database: Database
    auth: Auth
    server: AuthServer
    accounts: Accounts
    jane: int
    user: UUID

    def write(self, assignment: str) -> None:
        """Change columns of Jane, as HR would."""
        query = f"update employees set {assignment} where employee_id = {self.jane}"  # noqa: S608
        self.connection.execute(query.encode())

    @property
    def action(self) -> dict[str, Any]:
        """Return the newest action."""
        return actions(self.connection)[-1]

    @property
    def row(self) -> dict[str, Any]:
        """Return the row of Jane's auth user."""
        return self.auth.users.row(self.user)

    @property
    def is_banned(self) -> bool:
        until = self.row["banned_until"]
        return until is not None and until > datetime.now(UTC)

    @property
    def emails(self) -> tuple[str, str]:
        """Return the employee's e-mail and Auth's."""
        return employee(self.connection, self.jane)["email"], self.row["email"]

    @property
    def sessions(self) -> int:
        """Return the number of Jane's open sessions."""
        return self.connection.execute("select from auth.sessions where user_id = %s", [self.user]).rowcount

    @property
    def is_paused(self) -> bool:
        return self.connection.execute("select from auth_sync_rate where paused_until > now()").rowcount == 1

    def pass_time(self) -> None:
        """End all pauses, leases and backoffs."""
        fill_bucket(self.connection)
        end_leases(self.connection)
        make_due(self.connection)

    def rest(self) -> None:
        """Apply events and perform actions until no event and no action is due."""
        run_until_idle(self.accounts, self.database)

    @contextmanager
    def other_relay(self) -> Iterator[Accounts]:
        """Open the Accounts of another process, with its own connections."""
        with (
            closing(DirectDatabase(self.connection.info.dsn)) as database,
            closing(SupabaseAuthAdmin(self.server.url, self.server.key)) as admin,
        ):
            yield replace(self.accounts, database=database, admin=admin)


@contextmanager
def company(url: str, *, owner: EmailOwner = EmailOwner.AUTH, **options: Any) -> Iterator[Company]:
    """Create a company in which Jane is linked. `options` go to the Auth client."""
    with ExitStack() as stack:
        connection = stack.enter_context(session_of(url))
        migrate.store_policy(connection, POLICIES[owner])
        database = stack.enter_context(database_of(url))
        auth = stack.enter_context(auth_of(url))
        server = stack.enter_context(auth_server(url))
        admin = stack.enter_context(closing(SupabaseAuthAdmin(server.url, server.key, **options)))
        accounts = replace(accounts_of(url, database, owner=owner, rate=RATE), admin=admin)
        jane, user = linked(connection, database, auth, JANE)
        fill_bucket(connection)
        yield Company(connection, database, auth, server, accounts, jane, user)
