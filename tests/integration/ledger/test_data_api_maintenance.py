"""Relay, reconciliation, retention, probes and doctor over psycopg and over Supabase's Data API.

All tests of this file share one Supabase Lite. Each test uses different auth users, e-mail addresses and event ids, and
expects rows of other tests. See test_database_contract.py.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.command import assert_one_clear_line, clean_environment, run_command
from tests.auth_traffic import SECRET
from tests.conftest import ADMIN_KEY
from tests.data_api_server import supabase_project
from tests.integration.doctoring import examined, problems
from tests.integration.people import Person
from tests.supabase_lite_server import TEST_FUNCTIONS, SupabaseLite, running
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.doctor.findings import Level
from webhook_service.events import Json
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ledger import queries
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.ledger.relay import run_once
from webhook_service.ledger.retention import prunable, prune
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings


@pytest.fixture(scope="module")
def supabase_lite(supabase_lite_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseLite]:
    with running(supabase_lite_project, tmp_path_factory.mktemp("supabase_lite")) as lite:
        yield lite


@pytest.fixture(params=["direct", "lite", "project"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with ExitStack() as stack:
        if request.param == "lite":
            lite: SupabaseLite = request.getfixturevalue("supabase_lite")
            yield stack.enter_context(closing(SupabaseDatabase(lite.url, lite.service_role_key)))
            return
        url: str = request.getfixturevalue("database_url")
        with psycopg.connect(url) as connection:
            connection.execute(TEST_FUNCTIONS)
        if request.param == "direct":
            yield stack.enter_context(closing(DirectDatabase(url)))
        else:
            project = stack.enter_context(supabase_project(url))
            yield stack.enter_context(closing(SupabaseDatabase(project.url, project.key)))


@pytest.fixture
def person(database: Database) -> Person:
    return Person(database)


def execute(database: Database, statement: str) -> Json:
    """Run a statement that returns one jsonb, without the service's code."""
    return database.call("test_query", p_sql=statement)


def sign_up(person: Person) -> None:
    """Create the auth user as Auth does for an admin, in one statement."""
    query = "insert into auth.users (id, email, email_confirmed_at, created_at, updated_at) values ('{}', '{}'{})"
    execute(person.database, query.format(person.id, person.email, ", now()" * 3) + " returning to_jsonb(id)")


def forget(person: Person) -> None:
    """Remove the captured events, as if the trigger had been disabled."""
    query = "delete from public.integration_sync_log where auth_user_id = '{}' returning to_jsonb(id)"
    execute(person.database, query.format(person.id))


def events_of(person: Person) -> list[tuple[str, str | None, str]]:
    """Return status, outcome and via of the auth user's events, oldest first."""
    page = queries.events(person.database, {"auth_user_id": str(person.id)}, below=None, limit=100)
    return [(event["status"], event["outcome"], event["via"]) for event in reversed(page["events"])]


def reconciled(database: Database, *, dry_run: bool) -> Reconciled:
    return reconcile(database, Policy(), requested_by="test", dry_run=dry_run)


def differences_of(person: Person) -> list[str]:
    """Return the kinds of difference that a dry run shows for this auth user."""
    shown = reconciled(person.database, dry_run=True).shown
    return [str(found["kind"]) for found in shown if found["auth_user_id"] == str(person.id)]


def test_the_relay_applies_due_events(person: Person) -> None:
    """A captured event is claimed, applied and settled, and is no longer due."""
    employee_id = person.hire()
    sign_up(person)
    assert events_of(person) == [("PENDING", None, "capture")]
    ran = run_once(person.database, Policy(), name="test")
    assert (ran.claimed >= 1, ran.outcomes["linked"] >= 1) == (True, True)
    assert events_of(person) == [("SUCCESS", "linked", "relay")]
    assert person.employee(employee_id)["auth_user_id"] == str(person.id)
    assert run_once(person.database, Policy(), name="test").claimed == 0


def test_the_relay_retries_later(person: Person) -> None:
    """A failed event becomes due again later, and the pass reports the time."""
    person.hire(), person.hire()
    sign_up(person)
    ran = run_once(person.database, Policy(), name="test")
    assert events_of(person) == [("FAILED", "ambiguous", "relay")]
    assert ran.next_in is not None or run_once(person.database, Policy(), name="test").next_in is not None
    forget(person)


def test_a_lease_keeps_other_relays_away(person: Person) -> None:
    """A relay skips rows that another relay has leased until the lease ends."""
    sign_up(person)
    lease = {"p_limit": 100, "p_lease_seconds": 60}
    claimed = person.database.call("auth_sync_claim_v1", p_relay="other", **lease)
    assert str(person.id) in [event["auth_user_id"] for event in claimed["events"]]
    assert run_once(person.database, Policy(), name="test").claimed == 0
    query = "update public.integration_sync_log set leased_until = now() - interval '1 s' where auth_user_id = '{}'"
    execute(person.database, query.format(person.id) + " returning to_jsonb(id)")
    assert run_once(person.database, Policy(), name="test").outcomes == {"unmatched": 1}


def test_reconcile_links_a_user_who_was_not_captured(person: Person) -> None:
    """A dry run shows a lost sign-up and writes nothing. The real run links and records it. Then nothing differs."""
    employee_id = person.hire()
    sign_up(person)
    forget(person)
    assert differences_of(person) == ["unknown"]
    assert events_of(person) == []
    done = reconciled(person.database, dry_run=False)
    assert (done.differences["unknown"] >= 1, done.outcomes["linked"] >= 1, done.left) == (True, True, 0)
    assert person.employee(employee_id)["auth_user_id"] == str(person.id)
    assert events_of(person) == [("SUCCESS", "linked", "reconcile")]
    assert differences_of(person) == []


def test_reconcile_finds_a_deletion(person: Person) -> None:
    """An auth user whose deletion was not captured leaves an orphan, which reconciliation finds and flags."""
    employee_id = person.hire()
    sign_up(person)
    run_once(person.database, Policy(), name="test")
    execute(person.database, f"delete from auth.users where id = '{person.id}' returning to_jsonb(1)")  # noqa: S608
    execute(
        person.database,
        "delete from public.integration_sync_log"  # noqa: S608
        f" where auth_user_id = '{person.id}' and status = 'PENDING' returning to_jsonb(1)",
    )
    assert differences_of(person) == ["deleted"]
    assert reconciled(person.database, dry_run=False).outcomes["orphaned"] == 1
    assert person.employee(employee_id)["orphaned_auth_user_id"] == str(person.id)


def test_prune_removes_old_events(person: Person) -> None:
    """Retention counts and removes old successful events, and keeps an open event."""
    sign_up(person)
    run_once(person.database, Policy(), name="test")
    open_one = Person(person.database)
    sign_up(open_one)
    execute(
        person.database,
        "with aged as (update public.integration_sync_log set created_at = now() - interval '9 years',"  # noqa: S608
        " completed_at = completed_at - interval '9 years'"
        f" where auth_user_id in ('{person.id}', '{open_one.id}') returning 1) select to_jsonb(count(*)) from aged",
    )
    before = datetime.now(UTC) - timedelta(days=3000)
    assert (prunable(person.database, before), prune(person.database, before)) == (1, 1)
    assert (prunable(person.database, before), prune(person.database, before)) == (0, 0)
    assert (events_of(person), len(events_of(open_one))) == ([], 1)
    forget(open_one)


def test_readiness_reports_the_relay(database: Database, person: Person) -> None:
    """/readyz reports the same numbers over either connection."""
    run_once(database, Policy(), name="test")
    sign_up(person)
    settings = Settings(DirectConnection("postgresql://unused"), parse_secrets(SECRET), ADMIN_KEY)
    answer = create_app(settings, database).test_client().get("/readyz")
    assert answer.status_code == 200
    reported = [answer.get_json()[name] for name in ("relay_last_run_seconds", "oldest_pending_seconds")]
    assert [type(seconds) for seconds in reported] == [float, float]
    run_once(database, Policy(), name="test")


def test_doctor_examines(database: Database, person: Person) -> None:
    """Over either connection, each finding of doctor is ok, except a note that the sender is not set up."""
    # Supabase Lite grants privileges when it starts. These calls restore the privileges that the service needs.
    execute(database, "with s as (select public.auth_sync_secure_v1()) select to_jsonb(1) from s")
    execute(database, "select jsonb_agg(s) from public.auth_sync_protect_employees() as s")
    sign_up(person)
    run_once(database, Policy(), name="test")
    reconciled(database, dry_run=False)
    assert problems(examined(database)) == [("sender", Level.NOTE)]
    assert [finding.check for finding in examined(database)] == [
        *(
            "database",
            "migrations",
            "schema",
            "employees",
            "triggers",
            "rights",
            "employees_rights",
            "settings",
            "clock",
            "sender",
            "relay",
            "loops",
            "backlog",
            "auth",
            "actions",
            "silence",
            "reconcile",
            "comparison",
            "directories",
            "drift",
        )
    ]


def test_admins_are_counted(database: Database) -> None:
    """Over either connection, doctor counts the admins of the given roles."""
    assert database.call("auth_sync_admins_v2", p_roles={"hr": ["no such role", "x"]}) == {"all": 0}


def test_the_commands_over_the_data_api(supabase_lite: SupabaseLite, tmp_path: Path) -> None:
    """Each command works with SUPABASE_URL and a key alone, without a direct connection."""
    environment = clean_environment() | {
        "SUPABASE_URL": supabase_lite.url,
        "SUPABASE_SERVICE_ROLE_KEY": supabase_lite.service_role_key,
        "WEBHOOK_SECRETS": SECRET,
    }

    def run(*arguments: str) -> tuple[int, str]:
        code, output, errors = run_command(*arguments, environment=environment, folder=tmp_path)
        assert errors == ""
        return code, output.splitlines()[-1]

    assert run("relay", "--once")[0] == 0
    assert run("reconcile")[0] == 0
    assert run("reconcile", "--dry-run")[1].endswith("Differences: 0")
    assert run("prune", "--older-than", "90d", "--dry-run") == (0, "0 events would be removed.")
    assert run_command("doctor", environment=environment, folder=tmp_path)[1].startswith(
        "   ok  key: it is a secret key\n   ok  database: it answers"
    )


def test_uninstall_needs_a_direct_connection(supabase_lite: SupabaseLite, tmp_path: Path) -> None:
    """Over the Data API, `uninstall` fails with one line that names DATABASE_URL."""
    environment = clean_environment() | {
        "SUPABASE_URL": supabase_lite.url,
        "SUPABASE_SERVICE_ROLE_KEY": supabase_lite.service_role_key,
    }
    code, _, errors = run_command("uninstall", "--yes", environment=environment, folder=tmp_path)
    assert code == 1
    assert_one_clear_line(errors, "DATABASE_URL")
