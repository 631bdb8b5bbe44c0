"""`examine` finds faults of the ledger, and differences between auth.users and the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from tests.integration.capturing import auth_on
from tests.integration.doctoring import examined, found, problems, relayed
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import MIGRATE, Level
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.retention import prune
from webhook_service.outbound import held
from webhook_service.policy import Policy
from webhook_service.ports import Database

NO_SENDER = ("sender", Level.NOTE)


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    """Provide Supabase Auth with its own connection."""
    with auth_on(database_url) as auth:
        yield auth


def event(connection: Connection, age: str, status: str = "PENDING", retry: str | None = None) -> None:
    """Insert an event of this age into the ledger. `retry` is the time until its retry."""
    reason = "ambiguous" if status == "FAILED" else None
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, via, created_at,"
        " status, outcome, error_message, next_attempt_at)"
        " values ('old', 'inbound', 'UPDATE', %s, 1, 'capture', now() - %s::interval,"
        " %s, %s, %s, now() + %s::interval)",
        [uuid4(), age, status, reason, reason, retry],
    )


def test_a_backlog_is_found(database: Database, connection: Connection) -> None:
    """An event that has been pending for a long time is found, with its age."""
    relayed(database)
    event(connection, "5 hours")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER, ("backlog", Level.WRONG)]
    assert found(findings, "backlog").says == "1 pending; 0 failed, to be retried; the oldest has waited for 5 h"


def test_held_bans_are_found(database: Database, connection: Connection) -> None:
    """Bans that wait for an admin are a fault, until they are decided."""
    relayed(database)
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", auth_user_id=uuid4())
    connection.execute("update employees set is_active = false")
    findings = examined(database)
    assert ("held_bans", Level.WRONG) in problems(findings)
    assert found(findings, "held_bans").says.startswith("25 wait for an admin")
    held.discard(database, "ann", held.held(database, 0)["newest_id"], held.Reason.MASS_DEACTIVATION)
    assert "held_bans" not in dict(problems(examined(database)))


def test_another_limit_is_found(database: Database, connection: Connection) -> None:
    """A MASS_DEACTIVATION_LIMIT that `migrate` has not stored yet is a fault."""
    relayed(database)
    connection.execute("select auth_sync_limit_deactivations_v1('off')")
    assert ("settings", Level.WRONG) in problems(examined(database))


def test_a_retry_is_not_a_fault(database: Database, connection: Connection) -> None:
    """A failed event that will be retried is counted, but is not a fault."""
    relayed(database)
    event(connection, "2 days", "FAILED", retry="1 hour")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER]
    assert found(findings, "backlog").says.endswith("1 failed, to be retried")


def test_an_event_that_needs_attention_is_found(database: Database, connection: Connection) -> None:
    """An event that needs attention is found, and the finding says how to replay it."""
    relayed(database)
    event(connection, "4 days", "FAILED")
    findings = examined(database)
    assert problems(findings) == [NO_SENDER, ("needs_attention", Level.WRONG)]
    assert "webhook-service replay" in found(findings, "needs_attention").command


@pytest.mark.parametrize(("ago", "is_wrong"), [("1 minute", False), ("1 hour", True)])
def test_a_relay_that_stopped_is_found(database: Database, connection: Connection, ago: str, is_wrong: bool) -> None:
    """The newest pass of any relay decides whether relays have stopped."""
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('r', now() - %s::interval)", [ago])
    connection.execute("insert into auth_sync_relays (relay, last_run_at) values ('s', now() - interval '1 day')")
    assert (("relay", Level.WRONG) in problems(examined(database))) == is_wrong


# silence


def test_silence_is_found(database: Database, connection: Connection, auth: Auth) -> None:
    """New users are found if no event has ever arrived."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    finding = found(examined(database, compare=False), "silence")
    assert (finding.level, finding.says) == (Level.WRONG, "auth.users has users, but no event has ever arrived")


def test_silence_after_events_is_found(database: Database, connection: Connection, auth: Auth) -> None:
    """Users that are newer than the last event are found."""
    auth.sign_up("jane@example.com")
    relayed(database)
    connection.execute("update integration_sync_log set created_at = now() - interval '1 day'")
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("joe@example.com")
    finding = found(examined(database, compare=False), "silence")
    assert (finding.level, finding.says) == (Level.WRONG, "auth.users has a user that is newer than the last event")


def test_a_reconcile_ends_the_silence(database: Database, connection: Connection, auth: Auth) -> None:
    """Following the finding's advice ends the silence."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    auth.sign_up("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    relayed(database)
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert problems(examined(database)) == [NO_SENDER]


def test_a_quiet_project_is_not_silent(database: Database, connection: Connection, auth: Auth) -> None:
    """A project whose last events were pruned is not silent."""
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
    """Differences that the triggers could not capture are counted by kind, and not repaired."""
    employee_id = hire(connection, "jane@example.com")
    jane = auth.admin_create("jane@example.com")
    relayed(database)
    connection.execute("update employees set auth_user_id = null where employee_id = %s", [employee_id])
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    joe = auth.admin_create("joe@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    finding = found(examined(database), "drift")
    assert (finding.level, finding.says.split(": ")[1]) == (Level.WRONG, "1 missing_link, 1 unknown")
    assert finding.command == "webhook-service reconcile"
    assert str(jane) not in finding.says
    assert str(joe) not in finding.says


# before the migrations


def test_an_empty_database_must_be_migrated(empty_database_url: str) -> None:
    """A database without this service's schema has one finding about it, which says to migrate."""
    database = DirectDatabase(empty_database_url)
    findings = examined(database)
    database.close()
    assert problems(findings) == [("migrations", Level.WRONG)]
    assert (found(findings, "migrations").says[:4], found(findings, "migrations").command) == ("at 0", MIGRATE)
    assert [finding.check for finding in findings] == ["database", "migrations", "auth"]


def test_an_older_schema_must_be_migrated(database: Database, connection: Connection) -> None:
    """A missing migration is the only finding, because later checks may need it."""
    connection.execute("delete from auth_sync_migrations where number = (select max(number) from auth_sync_migrations)")
    assert problems(examined(database)) == [("migrations", Level.WRONG)]


def test_an_unavailable_database_is_a_finding() -> None:
    """If the database does not respond, one finding says so, and the checks of Auth still run."""
    database = DirectDatabase("postgresql://127.0.0.1:1/none")
    findings = examined(database)
    database.close()
    assert [(each.check, each.level) for each in findings] == [("database", Level.UNKNOWN), ("auth", Level.OK)]


def test_a_database_without_auth_users_is_not_compared(database: Database, connection: Connection) -> None:
    """A database without auth.users gets a note, and is not compared."""
    relayed(database)
    connection.execute("drop table auth.users cascade")
    findings = examined(database)
    assert problems(findings) == [("source", Level.NOTE), NO_SENDER]
    assert "drift" not in [finding.check for finding in findings]


def test_a_missing_trigger_on_employees_is_found_without_auth_users(database: Database, connection: Connection) -> None:
    """A missing trigger on employees is found even without auth.users, because it links later employees."""
    connection.execute("drop table auth.users cascade")
    connection.execute("drop trigger auth_sync_employees_inserted on employees")
    assert ("triggers", Level.WRONG) in problems(examined(database))


def test_missing_settings_are_found(database: Database, connection: Connection) -> None:
    """An emptied settings table is reported as a finding, and does not make doctor fail."""
    relayed(database)
    connection.execute("delete from auth_sync_settings")
    assert Level.WRONG in {level for _, level in problems(examined(database, compare=False))}


def test_older_functions_must_be_migrated(database: Database, connection: Connection) -> None:
    """If the functions are of another version, this is the only finding."""
    connection.execute("update auth_sync_functions set digest = 'older'")
    assert problems(examined(database)) == [("migrations", Level.WRONG)]
