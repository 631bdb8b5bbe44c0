"""Subscribers and their deliveries in the database, without the HTTP requests."""

from typing import Any

from tests.employees import Connection
from webhook_service.events import Json
from webhook_service.ports import Database

SECRET = "whsec_" + "A" * 32
LEASE = "a"


def subscribe(database: Database, name: str = "crm", *, types: list[str] | None = None, **columns: Json) -> None:
    """Create a subscriber. `columns` are other parameters of the function."""
    given = {"p_url": "https://crm.example.com/hook", "p_secret": SECRET, "p_allow_private": False} | columns
    assert database.call("auth_sync_create_subscriber_v1", p_name=name, p_types=types, **given) is True


def feed(database: Database, limit: int = 1000) -> int:
    """Run one pass of the feed, and return the number of deliveries that it made."""
    return int(database.call("auth_sync_read_feed_v1", p_limit=limit)["deliveries"])


def deliveries(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select * from auth_sync_deliveries order by id").fetchall()


def event_id(delivery: Json) -> str:
    """Return the id of a delivery's event in the ledger."""
    return str(delivery["payload"]["data"]["event_id"])


def made_from(connection: Connection) -> list[str]:
    """Return the ids of the events from which the deliveries were made."""
    return [event_id(each) for each in deliveries(connection)]


def types(connection: Connection) -> list[str]:
    return [each["type"] for each in deliveries(connection)]


def claim(database: Database, limit: int = 100, lease: str = LEASE) -> list[dict[str, Json]]:
    claimed = database.call("auth_sync_claim_deliveries_v1", p_relay=lease, p_limit=limit, p_lease_seconds=30)
    return list(claimed)


def settle(
    database: Database,
    delivery: Json,
    status_code: int | None = 200,
    error: str | None = None,
    *,
    lease: str = LEASE,
    retry_after: int | None = None,
) -> str | None:
    """Settle a claimed delivery, and return the result."""
    result: str | None = database.call(
        "auth_sync_settle_delivery_v1",
        p_id=delivery["id"],
        p_lease=lease,
        p_status_code=status_code,
        p_error=error,
        p_retry_after=retry_after,
    )
    return result


def end_pauses(connection: Connection) -> None:
    """Make all deliveries due, as if time had passed."""
    connection.execute("update auth_sync_subscribers set paused_until = null")
    connection.execute(
        "update auth_sync_deliveries set next_attempt_at = now(), leased_until = null where status = 'PENDING'"
    )


def write_entry(connection: Connection, employee_id: int, *, outcome: str | None = "synced") -> int:
    """Write a row of the ledger about an employee, which is pending without an outcome, and return its id.

    Its event id is `event-<id>`.
    """
    row = connection.execute(
        "insert into integration_sync_log (id, event_id, direction, operation, employee_id, auth_user_id, via, status,"
        " outcome, completed_at, changes) overriding system value select id, 'event-' || id, 'inbound', 'UPDATE', %s,"
        " gen_random_uuid(), 'webhook', case when %s::text is null then 'PENDING' else 'SUCCESS' end, %s::text,"
        ' case when %s::text is not null then now() end, \'{"email": {"from": "a@x", "to": "b@x"}}\''
        " from nextval('integration_sync_log_id_seq') as id returning id",
        [employee_id, outcome, outcome, outcome],
    ).fetchone()
    assert row is not None
    return int(row["id"])
