"""A subscriber gets the events that ended while it was enabled, whenever the feed reads them."""

from tests.employees import Connection
from tests.integration.subscribers.feeding import deliveries, feed, subscribe, write_entry
from webhook_service.ports import Database


def enable(database: Database, is_enabled: bool) -> None:
    database.call("auth_sync_enable_subscriber_v1", p_name="crm", p_is_enabled=is_enabled)


def test_what_ended_before_a_subscriber_was_disabled_is_delivered(database: Database, connection: Connection) -> None:
    """While a subscriber is disabled, the feed still makes deliveries of what ended before."""
    subscribe(database)
    write_entry(connection, 1)
    enable(database, False)
    write_entry(connection, 2)
    assert feed(database) == 1
    assert [each["order_key"] for each in deliveries(connection)] == ["employee 1"]


def test_all_periods_count_that_the_feed_has_not_passed(database: Database, connection: Connection) -> None:
    """A subscriber that is disabled several times before the feed reads gets what ended while it was enabled."""
    subscribe(database)
    for employee_id in (1, 2, 3):
        write_entry(connection, employee_id)
        enable(database, False)
        write_entry(connection, 100 + employee_id)
        enable(database, True)
    assert feed(database) == 3
    assert [each["order_key"] for each in deliveries(connection)] == ["employee 1", "employee 2", "employee 3"]


def test_a_period_that_the_feed_has_passed_is_forgotten(database: Database, connection: Connection) -> None:
    """A period is kept until the feed has read a row that was written a day after its end."""
    subscribe(database)
    connection.execute("update auth_sync_subscribers set former_periods = '{[2019-01-01, 2019-02-01)}'")

    def kept() -> bool:
        enable(database, False)
        enable(database, True)
        [row] = connection.execute(
            "select former_periods && '{[2019-01-01, 2020-01-01)}'::tstzmultirange as kept from auth_sync_subscribers"
        ).fetchall()
        return bool(row["kept"])

    assert kept()
    write_entry(connection, 1)
    assert kept()
    feed(database)
    assert not kept()
