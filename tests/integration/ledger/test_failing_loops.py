"""A loop that fails is never "ok": doctor, /readyz, the overview, the metrics and a notice name it, since when and why.

Each test runs over both connections: psycopg, and the double of Supabase's Data API.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.acceptance.conftest import wait_for
from tests.data_api_server import supabase_project
from tests.employees import Connection
from tests.integration.doctoring import examined, found
from tests.integration.notifications.test_conditions import conditions
from tests.integration.signing_in import Browser
from webhook_service.app import create_app, relay_for
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.doctor.findings import Level
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json
from webhook_service.ledger import failing_loops
from webhook_service.loops import Loop, PassResult, Relay
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings, SupabaseConnection

REASON = "The database refused the call (21000)."


@pytest.fixture(params=["direct", "project"])
def database(request: pytest.FixtureRequest, database_url: str) -> Iterator[Database]:
    with ExitStack() as stack:
        if request.param == "direct":
            yield stack.enter_context(closing(DirectDatabase(database_url)))
        else:
            project = stack.enter_context(supabase_project(database_url))
            yield stack.enter_context(closing(SupabaseDatabase(project.url, project.key)))


@pytest.fixture
def client(settings: Settings, database: Database) -> FlaskClient:
    return create_app(settings, database).test_client()


@dataclass
class Faulty:
    """A loop whose passes raise `error` until it is None."""

    error: Exception | None = field(default_factory=lambda: DatabaseError("database_error", REASON))
    passes: int = 0

    def once(self, relay: str) -> PassResult:
        self.passes += 1
        if self.error is not None:
            raise self.error
        return PassResult()


@contextmanager
def running(database: Database, *loops: Loop) -> Iterator[Relay]:
    """Run loops that record their state in the database."""
    relay = Relay(*loops, record=partial(failing_loops.record, database))
    relay.start()
    try:
        yield relay
    finally:
        relay.stop(patience=20)


def failing(database: Database) -> list[Json]:
    return list(database.call("auth_sync_failing_loops_v1"))


def fail(database: Database, loop: str, seconds: float, relay: str = "r") -> None:
    """Record a loop that has failed for so many seconds."""
    values = {"p_relay": relay, "p_loop": loop, "p_reason": "database_error", "p_detail": REASON, "p_seconds": seconds}
    assert database.call("auth_sync_loop_failed_v1", **values) is True


def test_a_failing_loop_is_recorded_until_a_pass_succeeds(database: Database) -> None:
    """A loop that raises is recorded with its reason at its first failure, and no longer once a pass succeeds."""
    faulty, healthy = Faulty(), Faulty(error=None)
    with running(database, Loop("actions", faulty.once), Loop("events", healthy.once)):
        [recorded] = wait_for("the failure is recorded", lambda: failing(database))
        assert (recorded["loop"], recorded["relays"], recorded["reason"]) == ("actions", 1, "database_error")
        assert recorded["detail"] == REASON
        faulty.error = None
        wait_for("the recovery is recorded", lambda: not failing(database))


def test_a_relay_that_stops_leaves_nothing(database: Database) -> None:
    """A relay that stops removes the record of its failing loops."""
    with running(database, Loop("actions", Faulty().once)):
        wait_for("the failure is recorded", lambda: failing(database))
    assert failing(database) == []


def test_an_unexpected_error_is_recorded_without_its_text(database: Database) -> None:
    """An error that is not of this service is recorded by its type only, because its text may hold personal data."""
    with running(database, Loop("actions", Faulty(ValueError("jane@example.com")).once)):
        [recorded] = wait_for("the failure is recorded", lambda: failing(database))
    assert (recorded["reason"], "ValueError" in recorded["detail"]) == ("internal_error", True)
    assert "jane" not in str(recorded)


def test_a_loop_survives_a_record_that_fails() -> None:
    """A loop goes on if its state cannot be recorded, and records its recovery as soon as that is possible."""
    faulty, recorded = Faulty(), threading.Event()
    errors = iter([Unavailable("database_unreachable", "gone"), ValueError("bug"), Unavailable("x", "gone")])

    def record(relay: str, loop: str, failure: object) -> None:
        if faulty.passes >= 2:
            faulty.error = None
        if (error := next(errors, None)) is not None:
            raise error
        recorded.set()

    relay = Relay(Loop("actions", faulty.once, every=0.01), record=record)
    relay.start()
    assert recorded.wait(20)
    relay.stop(patience=20)
    assert faulty.passes >= 4


def test_a_relay_that_is_gone_no_longer_counts(database: Database, connection: Connection) -> None:
    """The loops of a relay that was killed count for two minutes. A later report removes its row after a day."""
    fail(database, "actions", 30, relay="killed")
    later = "update auth_sync_failing_loops set reported_at = now() - %s::interval where relay = 'killed'"
    connection.execute(later, ["110 seconds"])
    assert [each["loop"] for each in failing(database)] == ["actions"]
    connection.execute(later, ["121 seconds"])
    assert failing(database) == []
    connection.execute(later, ["25 hours"])
    fail(database, "events", 1)
    assert connection.execute("select relay from auth_sync_failing_loops").fetchall() == [{"relay": "r"}]


def test_loops_of_several_relays_are_counted_together(database: Database) -> None:
    """A loop that fails in several relays is one finding, since the first failure. The longest is first."""
    fail(database, "events", 10)
    fail(database, "actions", 20)
    fail(database, "actions", 7200, relay="other")
    assert [(each["loop"], each["seconds"] // 60, each["relays"]) for each in failing(database)] == [
        *(("actions", 120, 2), ("events", 0, 1))
    ]
    fail(database, "actions", 0, relay="other")  # the first report says since when
    assert failing(database)[0]["seconds"] >= 7200


def test_everything_reports_a_failing_loop(database: Database, client: FlaskClient, settings: Settings) -> None:
    """Doctor is not ok. /readyz and the overview name the loop, and /readyz stays 200. The metrics count it."""
    assert client.get("/readyz").get_json()["failing_loops"] == []
    assert found(examined(database), "loops").level is Level.OK
    fail(database, "actions", 7200)
    finding = found(examined(database), "loops")
    assert (finding.level, bool(finding.todo)) == (Level.WRONG, True)
    says = (
        f"The loop `actions` has failed for 2 h: {REASON} Meanwhile a dismissed employee may still be able to sign in."
    )
    assert finding.says == says
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "ready")
    [named] = ready.get_json()["failing_loops"]
    assert (named["loop"], named["detail"], named["seconds"] >= 7200) == ("actions", REASON, True)
    assert b"webhook_service_failing_loops 1.0" in client.get("/metrics").data


def test_only_a_lasting_failure_is_a_notice(database: Database) -> None:
    """A loop that has failed for a minute is a condition. One failed pass is not."""
    fail(database, "events", 55)
    assert conditions(database) == {}
    fail(database, "actions", 61)
    condition = conditions(database)["failing_loop"]
    assert (condition["count"], [each["loop"] for each in condition["loops"]]) == (1, ["actions"])


BREAKS: dict[str, str] = {
    "events": "auth_sync_claim_v1(p_relay text, p_limit integer, p_lease_seconds integer)",
    "monitor": "auth_sync_refresh_mismatches_v1(p_slice integer default 50000)",
    "replays": "auth_sync_claim_bulk_replay_v1(p_relay text, p_limit integer, p_lease_seconds integer)",
}


@pytest.mark.parametrize("loop", BREAKS)
def test_a_broken_function_is_reported(database: Database, connection: Connection, loop: str) -> None:
    """Each loop of a real relay is named while its function fails, also the one that records that a relay runs."""
    head = f"create or replace function public.{BREAKS[loop]} returns jsonb language plpgsql security definer"
    connection.execute(f"{head} as $$ begin raise exception 'no' using errcode = '21000'; end $$".encode())
    polling = SupabaseConnection("http://unused", "unused")  # no connection to be woken by
    relay = relay_for(polling, database, Policy(), None)
    relay.start()
    try:
        [recorded] = wait_for("the failure is recorded", lambda: failing(database))
    finally:
        relay.stop(patience=20)
    assert (recorded["loop"], recorded["reason"], recorded["detail"]) == (loop, "database_error", REASON)


def test_the_overview_names_a_failing_loop(site: Flask, database: Database, connection: Connection) -> None:
    """The overview says which loop fails, for how long and why, instead of that the relay runs."""
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    browser = Browser(site)
    browser.signs_in()
    assert "It runs, and" in browser.get("/admin/auth-sync").text
    fail(database, "actions", 7200)
    fail(database, "replays", 60)
    page = browser.get("/admin/auth-sync").text
    assert "The relay fails" in page
    assert f"The loop `actions` has failed for 2 h: {REASON}" in page
    assert "Also failing: `replays`." in page
