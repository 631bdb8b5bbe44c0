"""What `examine` finds in the ledger, and in what auth.users and the ledger say of each other."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.doctoring import examined, found, problems, relayed
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level
from webhook_service.errors import Unavailable
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.retention import prune
from webhook_service.policy import Policy
from webhook_service.ports import Database

NO_SENDER = ("sender", Level.NOTE)


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    """Supabase Auth, over a connection of its own."""
    with auth_on(database_url) as auth:
        yield auth


def event(connection: Connection, age: str, status: str = "PENDING", retry: str | None = None) -> None:
    """An event of this age in the ledger; `retry` is when it is tried again."""
    reason = "ambiguous" if status == "FAILED" else None
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, via, created_at,"
        " status, outcome, error_message, next_attempt_at)"
        " values ('old', 'inbound', 'UPDATE', %s, 1, 'capture', now() - %s::interval,"
        " %s, %s, %s, now() + %s::interval)",
        [uuid4(), age, status, reason, reason, retry],
    )


def test_a_backlog_is_found(database: Database, connection: Connection) -> None:
    """An event that has been pending for long is wrong, and its age is said."""
    relayed(database)
    event(connection, "5 hours")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER, ("backlog", Level.WRONG)]
    assert found(findings, "backlog").says == "1 pending, the oldest for 5 h; 0 failed, to be tried again"


def test_a_retry_is_no_finding(database: Database, connection: Connection) -> None:
    """What has failed and will be tried again is counted, and nothing is wrong yet."""
    relayed(database)
    event(connection, "2 days", "FAILED", retry="1 hour")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER]
    assert found(findings, "backlog").says.endswith("1 failed, to be tried again")


def test_what_is_given_up_is_found(database: Database, connection: Connection) -> None:
    """What has failed for good is an admin's turn, and the finding says how to ask again."""
    relayed(database)
    event(connection, "4 days", "FAILED")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER, ("needs_attention", Level.WRONG)]
    assert "webhook-service replay" in found(findings, "needs_attention").todo


@pytest.mark.parametrize(("ago", "is_wrong"), [("1 minute", False), ("1 hour", True)])
def test_a_relay_that_stopped_is_found(database: Database, connection: Connection, ago: str, is_wrong: bool) -> None:
    """What counts is when any relay last ran."""
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('r', now() - %s::interval)", [ago])
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('s', now() - interval '1 day')")
    assert (("relay", Level.WRONG) in problems(examined(database))) == is_wrong


# silence


def test_silence_is_found(database: Database, connection: Connection, auth: Auth) -> None:
    """Users that came while the trigger was off, and no event ever: the source moved and nothing arrived."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    finding = found(examined(database, compare=False), "silence")
    assert (finding.level, finding.says) == (Level.WRONG, "auth.users has users, and no event ever came")


def test_silence_after_events_is_found(database: Database, connection: Connection, auth: Auth) -> None:
    """Also where events came once, and newer users did not."""
    auth.sign_up("jane@example.com")
    relayed(database)
    connection.execute("update integration_sync_log set created_at = now() - interval '1 day'")
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("joe@example.com")
    finding = found(examined(database, compare=False), "silence")
    assert (finding.level, finding.says) == (Level.WRONG, "auth.users has newer users than the last event")


def test_a_reconcile_ends_the_silence(database: Database, connection: Connection, auth: Auth) -> None:
    """What the finding says to do helps."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    relayed(database)
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert problems(examined(database)) == [NO_SENDER]


def test_a_quiet_project_is_not_silent(database: Database, connection: Connection, auth: Auth) -> None:
    """Where nobody came for longer than the ledger is kept, the events are pruned and nothing is missing."""
    auth.sign_up("jane@example.com")
    relayed(database)
    connection.execute("update auth.users set created_at = now() - interval '100 days'")
    connection.execute(
        "update integration_sync_log"
        " set created_at = now() - interval '100 days', completed_at = now() - interval '100 days'"
    )
    assert prune(database, datetime.now(UTC) - timedelta(days=90)) == 1
    assert problems(examined(database)) == [NO_SENDER]


# drift


def test_drift_is_counted_by_its_kind(database: Database, connection: Connection, auth: Auth) -> None:
    """What was changed behind the triggers' back is compared, counted, and left as it is."""
    employee_id = hire(connection, "jane@example.com")
    jane = auth.admin_create("jane@example.com")
    relayed(database)
    connection.execute("update employees set auth_user_id = null where employee_id = %s", [employee_id])
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    joe = auth.admin_create("joe@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    finding = found(examined(database), "drift")
    assert (finding.level, finding.says.split(": ")[1]) == (Level.WRONG, "1 missing_link, 1 unknown")
    assert finding.todo == "run `webhook-service reconcile`"
    assert str(jane) not in finding.says
    assert str(joe) not in finding.says


# before the migrations


def test_an_empty_database_is_to_be_migrated(empty_database_url: str) -> None:
    """Where there is nothing of ours, that is the only finding."""
    database = DirectDatabase(empty_database_url)
    findings = examined(database)
    database.close()
    assert problems(findings) == [("migrations", Level.WRONG)]
    assert (len(findings), findings[0].says[:4], "migrate" in findings[0].todo) == (1, "at 0", True)


def test_an_older_schema_is_to_be_migrated(database: Database, connection: Connection) -> None:
    """Where a migration is missing, nothing else is looked at: what it would call may not be there."""
    connection.execute("delete from auth_sync_migrations where number = (select max(number) from auth_sync_migrations)")
    assert problems(examined(database)) == [("migrations", Level.WRONG)]


def test_a_database_that_cannot_be_asked_is_no_finding() -> None:
    """It is an error of its own, as of any command."""
    database = DirectDatabase("postgresql://127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        examined(database)
    database.close()


def test_without_auth_users_there_is_less_to_look_at(database: Database, connection: Connection) -> None:
    """A database that only receives is right with a note, and is not compared."""
    relayed(database)
    connection.execute("drop table auth.users cascade")
    findings = examined(database)
    assert problems(findings) == [("source", Level.NOTE), NO_SENDER]
    assert "drift" not in [finding.check for finding in findings]


def test_a_trigger_on_employees_is_found_without_auth_users(database: Database, connection: Connection) -> None:
    """Also where events come by webhook only, an employee that comes after its user is linked by a trigger."""
    connection.execute("drop table auth.users cascade")
    connection.execute("drop trigger auth_sync_employees_inserted on employees")
    assert ("triggers", Level.WRONG) in problems(examined(database))


def test_settings_that_are_gone_are_found(database: Database, connection: Connection) -> None:
    """Somebody emptied the table: that is a finding, and no error of doctor's own."""
    relayed(database)
    connection.execute("delete from auth_sync_settings")
    assert Level.WRONG in {level for _, level in problems(examined(database, compare=False))}


def test_older_functions_are_to_be_migrated(database: Database, connection: Connection) -> None:
    """Where the database never had the functions of this version, nothing else is examined."""
    connection.execute("update auth_sync_functions set digest = 'older'")
    assert problems(examined(database)) == [("migrations", Level.WRONG)]
