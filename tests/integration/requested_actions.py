"""Employees who have auth users, what their changes ask of Auth, and the rates at which that is done."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
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
"""High enough not to matter."""
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
"""What asks for something, with an employee's id, and what that is."""

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
    """An employee and its auth user, known and linked by way of events."""
    employee_id = hire(connection, email, **columns)
    user = auth.admin_create(email)
    relay_all(database)
    return employee_id, user


def link_many(connection: Connection, count: int) -> None:
    """Employees 1 to `count`, whose auth users are known, though no Auth has them."""
    connection.execute(LINKED, {"count": count})


def actions(connection: Connection, user: UUID | None = None) -> list[dict[str, Any]]:
    """The actions of the ledger, of one auth user or of all, in the order in which they were entered."""
    return connection.execute(
        "select * from integration_sync_log"
        " where direction = 'outbound' and (auth_user_id = %(user)s or %(user)s is null) order by id",
        {"user": user},
    ).fetchall()


def asked(connection: Connection, user: UUID | None = None) -> list[str]:
    """What was asked of Auth."""
    return [action["operation"] for action in actions(connection, user)]


def outcomes(connection: Connection, user: UUID | None = None) -> list[tuple[str, str, str | None]]:
    """What became of it."""
    return [(action["operation"], action["status"], action["outcome"]) for action in actions(connection, user)]


def dismiss(connection: Connection, *employee_ids: int) -> None:
    """In one statement."""
    connection.execute("update employees set is_active = false where employee_id = any(%s)", [list(employee_ids)])


def write(connection: Connection, *assignments: str) -> None:
    """Each a statement over all employees."""
    for assignment in assignments:
        connection.execute(f"update employees set {assignment}".encode())  # noqa: S608


def fill_bucket(connection: Connection) -> None:
    """As if nobody had performed anything for a long time."""
    connection.execute("update auth_sync_rate set refilled_at = now() - interval '1 hour', paused_until = now()")


def accounts_of(url: str, database: Database, *, owner: EmailOwner = EmailOwner.AUTH, rate: int = RATE) -> Accounts:
    """What performs actions, with the stand-in for Auth."""
    return Accounts(database, LocalAuthAdmin(url), owner, rate, lambda: datetime.now(UTC))


def perform_all(accounts: Accounts, relay: str = "relay") -> Counter[str]:
    """Looks until nothing is due that may be done now; what came of it."""
    outcomes: Counter[str] = Counter()
    while (ran := accounts.run_once(relay)).claimed > ran.held:
        outcomes.update(ran.outcomes)
    return outcomes


def relay_events(database: Database, owner: EmailOwner) -> Counter[str]:
    """Looks until no event is due; what came of them."""
    outcomes: Counter[str] = Counter()
    while (ran := run_once(database, POLICIES[owner], name="relay")).claimed:
        outcomes.update(ran.outcomes)
    return outcomes


def come_to_rest(accounts: Accounts, database: Database, *, rounds: int = 10) -> Counter[str]:
    """Events and actions in turn until there are none; what came of the actions. Fails where they go on and on."""
    outcomes: Counter[str] = Counter()
    for _ in range(rounds):
        events = relay_events(database, accounts.owner)
        performed = perform_all(accounts)
        outcomes += performed
        if not events and not performed:
            return outcomes
    pytest.fail(f"it did not come to rest: {outcomes}")


def banned(connection: Connection) -> set[UUID]:
    """The auth users who cannot sign in."""
    return {row["id"] for row in connection.execute("select id from auth.users where banned_until > now()")}


def claim(
    database: Database, relay: str = "a", *, limit: int = 8, lease: int = 90, rate: int = RATE
) -> list[dict[str, Json]]:
    """What a relay does first, and then it stalls or dies."""
    taken: list[dict[str, Json]] = claimed(database, relay, limit=limit, lease=lease, rate=rate)["actions"]
    return taken


def claimed(database: Database, relay: str = "a", *, limit: int = 8, lease: int = 90, rate: int = RATE) -> Json:
    """All that it is told."""
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
    """Says what became of it; whether that counted."""
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
