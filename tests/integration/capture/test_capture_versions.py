"""The version of a captured event grows with each commit that changes a user, even if clocks are wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.capturing import auth_on, entries, newest, reconciled, record_of, relay, writer
from webhook_service.ports import Database

FAR = 4_000_000 * 4_102_444_800
"""The year 2100 as a version."""


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


@pytest.fixture
def jane(auth: Auth) -> UUID:
    return auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane"})


def versions(connection: Connection, user: UUID) -> list[int]:
    return [entry["version"] for entry in entries(connection, user)]


def assert_strictly_growing(numbers: list[int]) -> None:
    assert numbers == sorted(set(numbers))


def test_the_version_grows_with_each_change(connection: Connection, auth: Auth, jane: UUID) -> None:
    """The versions of a user's events are in the order of the transactions."""
    for day in range(5):
        auth.ban(jane, BAN_END + timedelta(days=day))
    auth.soft_delete(jane)
    auth.hard_delete(jane)
    assert len(versions(connection, jane)) == 8
    assert_strictly_growing(versions(connection, jane))


def test_concurrent_transactions_have_distinct_versions(database_url: str, connection: Connection, jane: UUID) -> None:
    """Concurrent transactions get versions in the order in which they changed the row. The last one is final."""
    with psycopg.connect(database_url) as setup:
        setup.execute("update auth.users set banned_until = %s", [BAN_END])

    def ban_longer(_: int) -> None:
        with writer(database_url) as connection:
            for _ in range(10):
                with connection.transaction():
                    connection.execute("update users set banned_until = banned_until + interval '1 day'")
                    connection.execute('update users set raw_user_meta_data = \'{"first_name": "J"}\'')

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ban_longer, range(8)))
    bans = [record_of(entry)["banned_until"] for entry in entries(connection, jane)[1:]]
    assert_strictly_growing(versions(connection, jane))
    assert [datetime.fromisoformat(ban) for ban in bans] == [BAN_END + timedelta(days=day) for day in range(81)]


def test_a_new_event_is_newer_than_a_state_of_the_future(
    connection: Connection, database: Database, auth: Auth, jane: UUID
) -> None:
    """After a clock that was far ahead is corrected, a new event is still newer than the known state."""
    relay(database)
    connection.execute("update auth_user_state set version = %s", [FAR])
    auth.ban(jane, BAN_END)
    auth.unban(jane)
    assert_strictly_growing([FAR, *versions(connection, jane)[1:]])


def test_a_new_event_is_newer_than_a_pending_event_of_the_future(
    connection: Connection, auth: Auth, jane: UUID
) -> None:
    """After a clock that was far ahead is corrected, a new event is still newer than a pending event."""
    connection.execute("update integration_sync_log set version = %s", [FAR])
    auth.ban(jane, BAN_END)
    auth.hard_delete(jane)
    assert_strictly_growing(versions(connection, jane))


@pytest.mark.parametrize("applied", [False, True], ids=["pending", "applied"])
def test_auths_clock_may_step_back(
    database_url: str, connection: Connection, database: Database, jane: UUID, applied: bool
) -> None:
    """The versions keep the order of the commits if Auth's clock is first far ahead and then far behind."""
    moments = [
        datetime(2090, 1, 1, tzinfo=UTC),
        datetime(1990, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC) - timedelta(days=2),
    ]
    for number, moment in enumerate(moments):
        with auth_on(database_url, now=lambda moment=moment: moment) as auth:  # type: ignore[misc]
            auth.admin_change_email(jane, f"jane{number}@example.com")
        if applied:
            relay(database)
    assert_strictly_growing(versions(connection, jane))
    relay(database)
    assert reconciled(database, dry_run=True).differences == {}
    [state] = connection.execute("select email from auth_user_state").fetchall()
    assert state["email"] == "jane3@example.com"


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "200000-01-01", "4000-01-01 BC", None], ids=str)
def test_a_change_with_an_invalid_time_is_captured(
    database_url: str, connection: Connection, jane: UUID, moment: str | None
) -> None:
    """A change is captured even if `updated_at` is invalid, and the next change is newer."""
    with writer(database_url) as writing:
        writing.execute("update users set banned_until = '2030-01-01', updated_at = %s", [moment])
        writing.execute("update users set banned_until = '2031-01-01', updated_at = now()")
        writing.execute("delete from users")
    assert len(versions(connection, jane)) == 4
    assert_strictly_growing(versions(connection, jane))


@pytest.mark.parametrize("applied", [False, True], ids=["pending", "applied"])
def test_a_user_inserted_again_is_newer_than_its_deletion(
    connection: Connection, database: Database, auth: Auth, jane: UUID, applied: bool
) -> None:
    """A user that is inserted again with the same id is newer than its deletion, and is linked again."""
    employee_id = hire(connection, "jane@example.com")
    relay(database)
    auth.hard_delete(jane)
    if applied:
        relay(database)
        assert employee(connection, employee_id)["auth_user_id"] is None
    auth.admin_create("jane@example.com", id=jane)
    assert_strictly_growing(versions(connection, jane))
    relay(database)
    assert employee(connection, employee_id)["auth_user_id"] == jane
    assert reconciled(database, dry_run=True).differences == {}


SETTINGS = (
    "timezone = 'Asia/Kathmandu'",
    "timezone = 'America/St_Johns'",
    "datestyle = 'German'",
    "intervalstyle = 'sql_standard'",
    "standard_conforming_strings = off",
    "transform_null_equals = on",
    "extra_float_digits = -15",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "client_encoding = 'LATIN1'",
    "search_path = pg_temp",
    "row_security = on",
)


SSO_USER = """
insert into auth.users
  (id, raw_user_meta_data, email, is_sso_user, email_confirmed_at, banned_until, updated_at, raw_app_meta_data)
values (%s, %s, 'jane@example.com', true, '2026-07-01 12:00:00.120Z', '2026-12-01 12:00Z', '2026-07-01 12:00Z',
        '{"employee_number": 17}')
"""
"""Several SSO users may have the same e-mail."""


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_writers_settings_do_not_change_the_record(
    database_url: str, connection: Connection, database: Database, setting: str
) -> None:
    """The settings of the writer's session do not change a byte of the record, whose hash reconciliation compares."""
    users = UUID(int=1), UUID(int=2)
    with writer(database_url) as writing:
        for user in users:  # the session of the second user has the setting
            writing.execute(SSO_USER, [user, '{"first_name": "Jané"}'])
            writing.execute(f"set {setting}".encode())
    first, second = (record_of(newest(connection, user)) for user in users)
    assert first | {"id": ""} == second | {"id": ""}
    assert relay(database) == 2
    assert reconciled(database, dry_run=True).differences == {}


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01Z", "0044-03-15Z BC"])
def test_a_ban_beyond_python_range_is_captured(
    database_url: str, connection: Connection, database: Database, moment: str
) -> None:
    """A ban without an end, or one beyond Python's range, is captured and applied, and no difference remains."""
    user = UUID(int=1)
    with writer(database_url) as writing:
        writing.execute("insert into users (id, banned_until) values (%s, %s)", [user, moment])
    assert relay(database) == 1
    assert newest(connection, user)["status"] == "SUCCESS"
    assert reconciled(database, dry_run=True).differences == {}
