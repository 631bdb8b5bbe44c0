"""`examine` finds no fault in a healthy database, and reports any single fault."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.doctoring import examined, found, problems, relayed, utc_now
from webhook_service.doctor.findings import MIGRATE_AND_RECONCILE, Level
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

NOTE, WRONG = Level.NOTE, Level.WRONG
NO_SENDER = ("sender", NOTE)
"""The embedded PostgreSQL has no pg_net, so every examination notes that nothing is posted."""

TRIGGERS = {
    "auth_sync_capture": "auth.users",
    "auth_sync_employees_inserted": "employees",
    "auth_sync_employees_updated": "employees",
    "auth_sync_send": "integration_sync_log",
}


@pytest.fixture
def healthy(database: Database, connection: Connection, auth: Auth) -> Database:
    """Provide a database in use, with two auth users, one of them linked, and a relay that has run."""
    hire(connection, "jane@example.com")
    auth.admin_create("jane@example.com")
    auth.admin_create("joe@example.com")
    assert relayed(database) == {"linked": 1, "unmatched": 1}
    return database


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    """Provide Supabase Auth with its own connection."""
    with auth_on(database_url) as auth:
        yield auth


def test_a_fresh_installation_lacks_a_relay_and_a_comparison(database: Database) -> None:
    """After the migrations, the only fault is that no relay has run yet. A note says that nothing was compared."""
    assert problems(examined(database)) == [NO_SENDER, ("relay", WRONG), ("comparison", NOTE)]


def test_a_database_in_use_is_healthy(healthy: Database) -> None:
    """A database with users, links and a relay passes every check. Only the missing sender is noted."""
    findings = examined(healthy)
    assert problems(findings) == [NO_SENDER]
    assert {f.check for f in findings} >= {
        *(
            "database",
            "migrations",
            "triggers",
            "rights",
            "settings",
            "clock",
            "relay",
            "loops",
            "backlog",
            "silence",
            "reconcile",
            "comparison",
            "drift",
        )
    }


def test_each_user_is_counted_once(healthy: Database) -> None:
    """Two auth users count as two in the comparison."""
    assert found(examined(healthy), "drift").says == "none among 2 auth users"


def test_drift_is_compared_on_request_only(healthy: Database) -> None:
    """Without `compare` the finding of drift is missing, and all other findings are the same."""
    assert [f.check for f in examined(healthy, compare=False)] == [f.check for f in examined(healthy)][:-1]


def test_an_examination_changes_nothing(healthy: Database, connection: Connection) -> None:
    """An examination changes no row of the ledger, the states or employees."""
    query = (
        "select (select jsonb_agg(l order by id) from integration_sync_log l) as log,"
        " (select jsonb_agg(s order by auth_user_id) from auth_user_state s) as states,"
        " (select jsonb_agg(e order by employee_id) from employees e) as employees"
    )
    before = connection.execute(query).fetchone()
    examined(healthy)
    assert connection.execute(query).fetchone() == before


# triggers


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("damage", ["drop trigger {name} on {table}", "alter table {table} disable trigger {name}"])
def test_a_trigger_that_does_not_fire_is_found(
    healthy: Database, connection: Connection, name: str, damage: str
) -> None:
    """A dropped or disabled trigger is named, and the finding says to migrate and reconcile."""
    connection.execute(damage.format(name=name, table=TRIGGERS[name]))
    finding = found(examined(healthy), "triggers")
    assert (finding.level, name in finding.says) == (WRONG, True)
    assert finding.command == MIGRATE_AND_RECONCILE


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(
            "create trigger auth_sync_capture after insert on auth.users for each row"
            " execute function auth_sync_capture_v1()",
            id="another-moment",
        ),
        pytest.param(
            "create constraint trigger auth_sync_capture after insert or delete or update on auth.users"
            " deferrable initially deferred for each row execute function mine()",
            id="another-function",
        ),
        pytest.param(
            "create constraint trigger auth_sync_capture after insert or delete or update on auth.users"
            " deferrable initially deferred for each row when (false) execute function auth_sync_capture_v1()",
            id="another-condition",
        ),
    ],
)
def test_a_trigger_that_was_replaced_is_found(healthy: Database, connection: Connection, definition: str) -> None:
    """A trigger that has the right name but another definition counts as missing."""
    connection.execute(
        "create function mine() returns trigger language plpgsql as $$ begin return null; end $$;"
        f"drop trigger auth_sync_capture on auth.users; {definition}"
    )
    assert ("triggers", WRONG) in problems(examined(healthy))


@pytest.mark.parametrize("mode", ["replica", "always"])
def test_a_trigger_that_fires_for_replication_only_is_found(
    healthy: Database, connection: Connection, mode: str
) -> None:
    """A trigger that fires only for replication is a fault. A trigger that always fires is not."""
    connection.execute(f"alter table auth.users enable {mode} trigger auth_sync_capture")
    assert (("triggers", WRONG) in problems(examined(healthy))) == (mode == "replica")


def test_the_advice_about_triggers_helps(healthy: Database, connection: Connection) -> None:
    """The function that the migrations run restores all triggers."""
    for name, table in TRIGGERS.items():
        connection.execute(f"drop trigger {name} on {table}")
    connection.execute("select auth_sync_install_v1()")
    assert problems(examined(healthy)) == [NO_SENDER]


# privileges and settings


@pytest.mark.parametrize("role", ["anon", "authenticated", "public"])
@pytest.mark.parametrize(
    ("right", "name"),
    [
        ("select on integration_sync_log", "integration_sync_log"),
        ("insert on auth_user_state", "auth_user_state"),
        ("update on auth_sync_settings", "auth_sync_settings"),
        ("delete on auth_sync_relays", "auth_sync_relays"),
        ("execute on function auth_sync_send_to(text, text)", "auth_sync_send_to(text,text)"),
        ("execute on function get_auth_sync_summary()", "get_auth_sync_summary()"),
    ],
)
def test_an_excessive_privilege_is_found(
    healthy: Database, connection: Connection, role: str, right: str, name: str
) -> None:
    """A table or function that the project's public key gives access to is named."""
    connection.execute(f"grant {right} to {role}")
    finding = found(examined(healthy), "rights")
    assert (finding.level, finding.says.replace("public.", "")) == (WRONG, f"open to anon or authenticated: {name}")


def test_a_table_without_row_level_security_is_found(healthy: Database, connection: Connection) -> None:
    """A table without row level security is named, because a later grant would open it."""
    connection.execute("alter table integration_sync_log disable row level security")
    assert "integration_sync_log" in found(examined(healthy), "rights").says


def test_a_missing_privilege_is_found(healthy: Database, connection: Connection) -> None:
    """A function that service_role may not call is named, and `auth_sync_secure_v1` corrects all privileges."""
    connection.execute("revoke execute on function auth_sync_process_v1 from service_role")
    connection.execute("grant select on auth_user_state to anon")
    findings = [finding for finding in examined(healthy) if finding.check == "rights"]
    assert [finding.level for finding in findings] == [WRONG, WRONG]
    assert "auth_sync_process_v1" in findings[1].says
    connection.execute("select auth_sync_secure_v1()")
    assert problems(examined(healthy)) == [NO_SENDER]


def test_other_name_fields_are_found(healthy: Database) -> None:
    """NAME_FIELDS that differ from those of the triggers are found, because names would be lost."""
    policy = Policy(name_fields={"first_name": "given_name"})
    assert problems(examined(healthy, policy=policy, compare=False)) == [("settings", WRONG), NO_SENDER]


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_wrong_clock_is_found(healthy: Database, seconds: int) -> None:
    """A clock that differs from the database's by an hour is found, with the direction."""
    finding = found(examined(healthy, now=lambda: utc_now() + timedelta(seconds=seconds)), "clock")
    assert (finding.level, finding.says[:3]) == (WRONG, "-36" if seconds > 0 else "+36")


def test_a_slow_call_is_not_a_clock_difference(healthy: Database) -> None:
    """A slow call causes no clock difference, because the time in the middle of the call is compared."""
    moments = iter([utc_now() - timedelta(seconds=25), utc_now() + timedelta(seconds=25)])

    def now() -> datetime:
        return next(moments, utc_now())

    assert found(examined(healthy, now=now), "clock").level is Level.OK
