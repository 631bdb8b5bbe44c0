"""Employees with auth users, the actions that their changes request, and helpers that perform them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.events import Json
from webhook_service.ledger.relay import run_once
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database

DISABLE, ENABLE, EMAIL = "disable_auth_user", "enable_auth_user", "update_auth_email"
RATE = 1000
"""Actions per second, a rate at which no test waits."""
POLICIES = {owner: Policy(email_owner=owner) for owner in EmailOwner}

CHANGES = {
    "dismissed": ("update employees set is_active = false where employee_id = %s", DISABLE),
    "deleted": ("delete from employees where employee_id = %s", DISABLE),
    "dismissed and unlinked": (
        "update employees set is_active = false, auth_user_id = null where employee_id = %s",
        DISABLE,
    ),
    "moved": ("update employees set email = 'jane.smith@example.com' where employee_id = %s", EMAIL),
}
"""{name: (statement that takes an employee's id, the action that it requests)}."""

LINKED = """
with numbers as (
  select n, format('00000000-0000-4000-8000-%%s', lpad(to_hex(n), 12, '0'))::uuid as id
    from generate_series(1, %(count)s) as n
), known as (
  insert into auth_user_state (auth_user_id, version, email, email_confirmed)
  select id, 1, 'user' || n || '@example.com', true from numbers returning auth_user_id
)
insert into employees (employee_id, email, auth_user_id)
select n, 'user' || n || '@example.com', id from numbers where exists (select from known)
"""


def linked(connection: Connection, database: Database, auth: Auth, email: str, **columns: Any) -> tuple[int, UUID]:
    """Create an employee and an auth user, which an event links."""
    employee_id = hire(connection, email, **columns)
    user = auth.admin_create(email)
    relay_all(database)
    return employee_id, user


def link_many(connection: Connection, count: int) -> None:
    """Create employees 1 to `count` with auth users that the service knows but Auth does not have.

    They may all be dismissed at once: the brake of mass deactivations is off.
    """
    connection.execute("select auth_sync_limit_deactivations_v1('off')")
    connection.execute(LINKED, {"count": count})


def actions(connection: Connection, user: UUID | None = None) -> list[dict[str, Any]]:
    """Return the actions of one auth user or of all auth users in the order of their entry."""
    return connection.execute(
        "select * from integration_sync_log"
        " where direction = 'outbound' and (auth_user_id = %(user)s or %(user)s is null) order by id",
        {"user": user},
    ).fetchall()


def requested_operations(connection: Connection, user: UUID | None = None) -> list[str]:
    """Return the names of the requested actions."""
    return [action["operation"] for action in actions(connection, user)]


def outcomes(connection: Connection, user: UUID | None = None) -> list[tuple[str, str, str | None]]:
    """Return (operation, status, outcome) of the actions."""
    return [(action["operation"], action["status"], action["outcome"]) for action in actions(connection, user)]


def dismiss(connection: Connection, *employee_ids: int) -> None:
    """Deactivate employees in one statement."""
    connection.execute("update employees set is_active = false where employee_id = any(%s)", [list(employee_ids)])


def write(connection: Connection, *assignments: str) -> None:
    """Apply each assignment to all employees, in a separate statement."""
    for assignment in assignments:
        connection.execute(f"update employees set {assignment}".encode())  # noqa: S608


def fill_bucket(connection: Connection) -> None:
    """Fill the token bucket, and end a pause."""
    connection.execute("update auth_sync_rate set refilled_at = now() - interval '1 hour', paused_until = now()")


def accounts_of(url: str, database: Database, *, owner: EmailOwner = EmailOwner.AUTH, rate: int = RATE) -> Accounts:
    """Return Accounts that perform actions in the stand-in for Auth."""
    return Accounts(database, LocalAuthAdmin(url), owner, rate, lambda: datetime.now(UTC))


def perform_all(accounts: Accounts, relay: str = "relay") -> Counter[str]:
    """Run passes until no action is due that the rate allows, and count the outcomes. The bans then end as SUCCESS."""
    outcomes: Counter[str] = Counter()
    while (ran := accounts.run_once(relay)).claimed > ran.held:
        outcomes.update(ran.outcomes)
    end_sessions_again(accounts.database)
    return outcomes


def end_sessions_again(database: Database) -> int:
    """End the sessions of banned auth users again, as a relay does twelve seconds after each ban."""
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    return int(database.call("auth_sync_end_again_v1", p_now=later, p_limit=100000))


def relay_events(database: Database, owner: EmailOwner) -> Counter[str]:
    """Run passes until no event is due, and count the outcomes."""
    outcomes: Counter[str] = Counter()
    while (ran := run_once(database, POLICIES[owner], name="relay")).claimed:
        outcomes.update(ran.outcomes)
    return outcomes


def run_until_idle(accounts: Accounts, database: Database, *, rounds: int = 10) -> Counter[str]:
    """Apply events and perform actions in turn until none is due, and count the outcomes of the actions.

    Fails if events or actions are still due after `rounds` rounds.
    """
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        events = relay_events(database, accounts.owner)
        performed = perform_all(accounts)
        outcomes += performed
        if not events and not performed:
            return outcomes
    pytest.fail(f"events or actions are still due after {rounds} rounds: {outcomes}")


def banned(connection: Connection) -> set[UUID]:
    """Return the auth users who cannot sign in."""
    return {row["id"] for row in connection.execute("select id from auth.users where banned_until > now()")}


def claim(
    database: Database, relay: str = "a", *, limit: int = 8, lease: int = 90, rate: int = RATE
) -> list[dict[str, Json]]:
    """Claim actions as a relay that then stalls or dies."""
    taken: list[dict[str, Json]] = claimed(database, relay, limit=limit, lease=lease, rate=rate)["actions"]
    return taken


def claimed(database: Database, relay: str = "a", *, limit: int = 8, lease: int = 90, rate: int = RATE) -> Json:
    """Claim actions, and return the function's whole result."""
    return database.call("auth_sync_claim_actions_v1", p_relay=relay, p_limit=limit, p_lease_seconds=lease, p_rate=rate)


def settle(
    database: Database,
    action: Mapping[str, Json],
    lease: str = "a",
    outcome: str = "disabled",
    *,
    error: str | None = None,
    retry: bool = False,
) -> bool:
    """Settle a claimed action, and return whether the settlement counted."""
    return bool(
        database.call(
            "auth_sync_settle_v1",
            p_event_id=action["event_id"],
            p_lease=lease,
            p_outcome=outcome,
            p_error=error,
            p_retry=retry,
        )
    )
