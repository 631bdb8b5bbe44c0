"""The feed makes one delivery for each event that ended, whatever the order in which transactions commit."""

from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import relay_all
from tests.integration.performing import company
from tests.integration.subscribers.feeding import deliveries, event_id, feed, made_from, subscribe, types, write_entry
from tests.kept_databases import session_of
from webhook_service.db import migrate
from webhook_service.ports import Database


def gaps(connection: Connection) -> list[tuple[int, int]]:
    rows = connection.execute("select first_id, last_id from auth_sync_feed_gaps order by 1")
    return [(row["first_id"], row["last_id"]) for row in rows]


def test_an_applied_event_is_delivered_once(database: Database, connection: Connection, auth: Auth) -> None:
    """A link, a change and an orphan are one delivery each, in their order, and a second pass makes no more."""
    subscribe(database)
    employee = hire(connection, "jane@example.com")
    user = auth.admin_create("jane@example.com")
    relay_all(database)
    auth.update_metadata(user, {"first_name": "Jane"})
    relay_all(database)
    auth.hard_delete(user)
    relay_all(database)
    assert (feed(database), feed(database)) == (3, 0)
    assert types(connection) == ["employee.linked", "employee.synced", "employee.orphaned"]
    assert {each["order_key"] for each in deliveries(connection)} == {f"employee {employee}"}


def test_a_payload_has_names_of_columns_and_no_values(database: Database, connection: Connection, auth: Auth) -> None:
    """A payload has ids, the version of the format and the names of the changed columns, but no personal data."""
    subscribe(database)
    employee = hire(connection, "jane@example.com")
    user = auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane"})
    relay_all(database)
    feed(database)
    [made] = deliveries(connection)
    payload = made["payload"]
    assert (set(payload), payload["type"], payload["version"]) == (
        {"type", "version", "timestamp", "data"},
        "employee.linked",
        1,
    )
    assert set(payload["data"]) == {"event_id", "employee_id", "auth_user_id", "changes"}
    assert (payload["data"]["employee_id"], UUID(payload["data"]["auth_user_id"])) == (employee, user)
    assert {"auth_user_id", "first_name"} <= set(payload["data"]["changes"])
    assert "jane" not in str(payload).lower()


def test_a_dismissal_is_two_events(database: Database, database_url: str, connection: Connection) -> None:
    """A dismissal is delivered when it was requested, and the ban when Auth has confirmed it, also after passes."""
    with company(database_url) as jane:
        subscribe(database)
        jane.write("is_active = false")
        feed(database)
        assert types(connection) == ["employee.deactivated"]
        jane.rest()
        feed(database)
        assert types(connection) == ["employee.deactivated", "login.disabled"]
        jane.write("is_active = true")
        jane.rest()
        feed(database)
        assert types(connection)[2:] == ["employee.activated", "login.enabled"]


def test_a_row_that_commits_late_is_not_missed(database: Database, connection: Connection, database_url: str) -> None:
    """A transaction that wrote first and commits after a later one was read is delivered when it commits."""
    subscribe(database)
    with session_of(database_url) as slow:
        slow.execute("begin")
        first = write_entry(slow, 1)
        second = write_entry(connection, 2)
        assert (feed(database), feed(database)) == (1, 0)
        assert gaps(connection) == [(first, first)]
        slow.execute("commit")
    assert feed(database) == 1
    assert made_from(connection) == [f"event-{second}", f"event-{first}"]
    feed(database)
    assert gaps(connection) == []


def test_an_id_taken_before_the_transaction_wrote_is_not_missed(
    database: Database, connection: Connection, database_url: str
) -> None:
    """A transaction that has taken an id, and has no transaction id yet, is waited for too."""
    subscribe(database)
    with session_of(database_url) as slow:
        slow.execute("begin")
        row = slow.execute("select nextval('integration_sync_log_id_seq') as id").fetchone()
        assert row is not None
        write_entry(connection, 2)
        assert (feed(database), feed(database)) == (1, 0)
        assert gaps(connection) == [(row["id"], row["id"])]
        slow.execute(
            "insert into integration_sync_log (id, event_id, direction, operation, employee_id, via, status, outcome,"
            " completed_at) overriding system value values (%s, 'late', 'inbound', 'UPDATE', 1, 'webhook', 'SUCCESS',"
            " 'synced', now())",
            [row["id"]],
        )
        slow.execute("commit")
    assert feed(database) == 1


def test_a_gap_is_split_by_the_rows_that_appear(database: Database, connection: Connection, database_url: str) -> None:
    """If one of several transactions commits, the ids of the others are still remembered."""
    subscribe(database)
    with session_of(database_url) as one, session_of(database_url) as other:
        one.execute("begin")
        other.execute("begin")
        ids = [write_entry(session, 1) for session in (one, other, one)]
        write_entry(connection, 2)
        feed(database)
        assert gaps(connection) == [(ids[0], ids[2])]
        other.execute("commit")
        assert feed(database) == 1
        assert gaps(connection) == [(ids[0], ids[0]), (ids[2], ids[2])]
        one.execute("rollback")
    assert (feed(database), gaps(connection)) == (0, [])


def test_a_pass_reads_no_more_than_its_limit(database: Database, connection: Connection) -> None:
    """A pass reads a limited number of rows, and the next one goes on."""
    subscribe(database)
    for number in range(5):
        write_entry(connection, number)
    assert [feed(database, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_subscriber_gets_no_events_from_before(database: Database, connection: Connection) -> None:
    """The first subscriber and a later one get only the events that ended after they were created."""
    write_entry(connection, 1)
    waiting = write_entry(connection, 2, outcome=None)
    subscribe(database, "first")
    write_entry(connection, 3)
    subscribe(database, "second")
    connection.execute(
        "update integration_sync_log set status = 'SUCCESS', outcome = 'synced', completed_at = now() where id = %s",
        [waiting],
    )
    feed(database)
    rows = connection.execute(
        "select s.name, array_agg(d.order_key order by d.order_key) as keys from auth_sync_deliveries d"
        " join auth_sync_subscribers s on s.id = d.subscriber_id group by 1 order by 1"
    )
    found = {row["name"]: row["keys"] for row in rows}
    assert found == {"first": ["employee 2", "employee 3"], "second": ["employee 2"]}


def test_what_the_feed_has_not_read_is_not_pruned(database: Database, connection: Connection) -> None:
    """An old row of the ledger is kept until the feed has read it, if there is a subscriber."""
    subscribe(database)
    write_entry(connection, 1)
    arguments = {"p_before": "2999-01-01", "p_limit": 10, "p_dry_run": False}
    assert database.call("auth_sync_prune_v1", **arguments) == 0
    assert feed(database) == 1
    assert database.call("auth_sync_prune_v1", **arguments) == 1


def test_a_subscriber_gets_only_its_types(database: Database, connection: Connection) -> None:
    """A subscriber with types gets no other events, and a disabled one gets none, also after it is enabled again."""
    subscribe(database, "links", types=["employee.linked"])
    subscribe(database, "off")
    database.call("auth_sync_enable_subscriber_v1", p_name="off", p_is_enabled=False)
    write_entry(connection, 1, outcome="synced")
    write_entry(connection, 1, outcome="linked")
    database.call("auth_sync_enable_subscriber_v1", p_name="off", p_is_enabled=True)
    feed(database)
    assert types(connection) == ["employee.linked"]


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_ledger_that_begins_again_is_read_from_its_beginning(
    database: Database, connection: Connection, written: int
) -> None:
    """If the ledger was truncated, its new events are delivered, whether fewer or more than before were written."""
    subscribe(database)
    write_entry(connection, 1, outcome=None)
    write_entry(connection, 2)
    connection.execute("update integration_sync_log set event_id = 'old-' || id")
    feed(database)
    connection.execute("truncate integration_sync_log restart identity cascade")
    for _ in range(written):
        write_entry(connection, 3)
    assert feed(database) == written
    write_entry(connection, 4)
    assert feed(database) == 1
    assert made_from(connection) == ["old-2", *(f"event-{number}" for number in range(1, written + 2))]


def test_an_event_of_a_new_installation_has_another_id(
    database: Database, database_url: str, connection: Connection
) -> None:
    """After an uninstallation, the ids of the ledger and of some events begin again, and those of deliveries do not."""
    ids = set()
    for _ in range(2):
        subscribe(database)
        write_entry(connection, 1)
        assert feed(database) == 1
        ids |= {(event_id(each), each["webhook_id"]) for each in deliveries(connection)}
        migrate.uninstall(database_url)
        migrate.migrate(database_url)
    assert sorted(each for each, _ in ids) == ["event-1", "event-1"]


def test_without_subscribers_nothing_is_read(database: Database, connection: Connection) -> None:
    """Without a subscriber, the feed makes and remembers nothing, and goes on in the present with the next one."""
    subscribe(database)
    database.call("auth_sync_delete_subscriber_v1", p_name="crm")
    write_entry(connection, 1)
    assert feed(database) == 0
    subscribe(database)
    write_entry(connection, 2)
    assert feed(database) == 1
