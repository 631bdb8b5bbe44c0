"""The checks of `doctor`, which make findings with a remedy from facts of the database."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.auth_traffic import EPOCH
from webhook_service.doctor import checks, relay_checks
from webhook_service.doctor.findings import Finding, Level, note, wrong
from webhook_service.policy import Policy
from webhook_service.wording.counts import describe

URL = "https://sync.example.com/webhook/auth"
NOW = EPOCH.timestamp()
RIGHT: dict[str, Any] = {
    "now": NOW,
    "has_auth_users": True,
    "sees_auth_users": True,
    "owner_sees_all": True,
    "triggers": {"auth_sync_capture": True, "auth_sync_employees_inserted": True, "auth_sync_employees_updated": True},
    "open_to_strangers": [],
    "closed_to_service_role": [],
    "webhook_url": URL,
    "name_fields": dict(Policy().name_fields),
    "columns": sorted(Policy().columns),
    "deactivation_limit": Policy().deactivation_limit,
    "has_pg_net": True,
    "has_pgcrypto": True,
    "has_vault": True,
    "has_secret": True,
    "pg_net_worker_is_up": True,
    "pg_net_waiting": 0,
    "pg_net_refused": {},
    "relay_last_run_seconds": 1.5,
    "failing_loops": [],
    "open_employees": [],
    "pending": 0,
    "oldest_pending_seconds": None,
    "retrying": 0,
    "needs_attention": 0,
    "newest_user_at": NOW - 3600,
    "last_event_at": NOW - 3600,
    "last_reconcile": {"status": "SUCCESS", "outcome": "reconciled", "seconds_ago": 60.0},
}
"""The facts of a healthy project."""


def clock_on_time(facts: dict[str, Any]) -> Finding:
    return checks.clock(facts, EPOCH)


def names_by_default(facts: dict[str, Any]) -> Finding:
    return checks.names(facts, Policy())


CHECKS: tuple[Callable[[dict[str, Any]], Finding | list[Finding]], ...] = (
    checks.source, checks.triggers, checks.rights, checks.employees_rights, names_by_default, clock_on_time,
    checks.sender, relay_checks.relay, checks.backlog, checks.silence, checks.last_reconcile,
)  # fmt: skip


def findings(**facts: Any) -> list[Finding]:
    """The findings for the facts of a healthy project, with the given facts changed."""
    found: list[Finding] = []
    for check in CHECKS:
        reported = check(RIGHT | facts)
        found += reported if isinstance(reported, list) else [reported]
    return found


def test_a_healthy_project_is_ok() -> None:
    """Each check of a healthy project has one finding, which is ok and has no remedy."""
    found = findings()
    assert {finding.level for finding in found} == {Level.OK}
    assert {finding.todo for finding in found} == {""}
    assert [finding.check for finding in found] == [
        *("triggers", "rights", "employees_rights", "settings", "clock", "sender", "relay", "loops", "backlog"),
        *("silence", "reconcile"),
    ]


WRONG, NOTE = Level.WRONG, Level.NOTE
FAILING = {"loop": "actions", "seconds": 7200.0, "relays": 1, "reason": "database_error", "detail": "It broke."}
CASES: list[tuple[dict[str, Any], str, Level, str, str]] = [
    # the changed facts, the finding's check and level, a word of its text, and a word of its remedy
    ({"has_auth_users": False}, "source", NOTE, "no auth.users", "docs/how-to/send-events.md"),
    ({"sees_auth_users": False}, "source", WRONG, "cannot read auth.users", "role postgres"),
    ({"owner_sees_all": False}, "source", WRONG, "cannot read auth.users", "role postgres"),
    ({"triggers": {"auth_sync_b": False, "auth_sync_a": False}}, "triggers", WRONG, "sync_a, auth_sync_b", "migrate"),
    ({"triggers": {"auth_sync_a": True, "auth_sync_b": False}}, "triggers", WRONG, "date: auth_sync_b", "reconcile"),
    ({"open_to_strangers": ["integration_sync_log"]}, "rights", WRONG, "integration_sync_log", "auth_sync_secure_v1"),
    ({"closed_to_service_role": ["auth_sync_f()"]}, "rights", WRONG, "auth_sync_f()", "auth_sync_secure_v1"),
    (
        {"open_employees": [{"problem": "clients_may_write", "says": "anon may change email"}]},
        *("employees_rights", WRONG, "anon may change", "--protect-employees"),
    ),
    ({"name_fields": {"first_name": "given"}}, "settings", WRONG, "NAME_FIELDS", "migrate"),
    ({"columns": ["first_name", "last_name"]}, "settings", WRONG, "EMAIL_OWNER", "reconcile"),
    ({"now": NOW + 31}, "clock", WRONG, "+31 s", "clock"),
    ({"now": NOW - 31}, "clock", WRONG, "-31 s", "300 s"),
    ({"webhook_url": None}, "sender", NOTE, "not posted", "auth_sync_send_to"),
    ({"has_pg_net": False}, "sender", WRONG, "extensions are missing: pg_net", "Extensions"),
    ({"has_pgcrypto": False}, "sender", WRONG, "extensions are missing: pgcrypto", "Extensions"),
    ({"has_vault": False, "has_secret": False}, "sender", WRONG, "extensions are missing: vault", "Extensions"),
    ({"has_pg_net": False, "has_vault": False}, "sender", WRONG, "extensions are missing: pg_net, vault", "Extensions"),
    ({"has_secret": False}, "sender", WRONG, "not in the vault", "auth_sync_send_to"),
    ({"pg_net_worker_is_up": False, "pg_net_waiting": 7}, "pg_net", WRONG, "7 requests wait", "worker_restart"),
    ({"pg_net_worker_is_up": False, "pg_net_waiting": None}, "pg_net", WRONG, "does not run", "worker_restart"),
    ({"pg_net_refused": {"503": 2, "401": 1}}, "pg_net", NOTE, "1 times 401, 2 times 503", "log of the service"),
    ({"relay_last_run_seconds": None}, "relay", WRONG, "no relay has ever run", "webhook-service relay"),
    ({"relay_last_run_seconds": 7300.0}, "relay", WRONG, "no relay has run for 2 h", "webhook-service relay"),
    ({"failing_loops": [FAILING]}, "loops", WRONG, "`actions` has failed for 2 h: It broke. Meanwhile a dis", "log of"),
    (
        {"last_reconcile": {"status": "FAILED", "outcome": "interrupted", "seconds_ago": 7200.0}},
        *("reconcile", NOTE, "2 h ago: interrupted", "again"),
    ),
    ({"pending": 3, "oldest_pending_seconds": 121.0}, "backlog", WRONG, "the oldest has waited for 2 min", "log"),
    ({"needs_attention": 4}, "needs_attention", WRONG, "4 events", "replay"),
    ({"newest_user_at": NOW, "last_event_at": NOW - 301}, "silence", WRONG, "newer than", "reconcile"),
    ({"last_event_at": None}, "silence", WRONG, "no event has ever arrived", "reconcile"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "check", "level", "says", "todo"), CASES)
def test_a_wrong_fact_is_found(facts: dict[str, Any], check: str, level: Level, says: str, todo: str) -> None:
    """A wrong fact causes one finding that is not ok, and the finding names the error and the remedy."""
    [found] = [finding for finding in findings(**facts) if finding.level is not Level.OK]
    assert (found.check, found.level) == (check, level)
    assert says in found.says
    assert todo in f"{found.todo} {found.command}"


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"now": NOW + 29}, id="a-clock-that-is-close"),
        pytest.param({"pending": 9, "oldest_pending_seconds": 60.0}, id="a-young-backlog"),
        pytest.param({"retrying": 9}, id="events-that-are-retried"),
        pytest.param({"relay_last_run_seconds": 119.0}, id="a-relay-that-ran-just-now"),
        pytest.param({"newest_user_at": NOW, "last_event_at": NOW - 299}, id="an-event-that-arrives-soon"),
        pytest.param({"newest_user_at": None, "last_event_at": None}, id="no-users-yet"),
        pytest.param({"newest_user_at": NOW - 99999, "last_event_at": NOW}, id="events-of-older-users"),
        pytest.param({"webhook_url": URL, "pg_net_worker_is_up": None}, id="an-invisible-worker"),
    ],
)
def test_normal_operation_is_ok(facts: dict[str, Any]) -> None:
    """Each condition that is normal in a healthy project is ok."""
    assert [finding for finding in findings(**facts) if finding.level is not Level.OK] == []


def test_all_findings_are_reported_together() -> None:
    """One finding does not hide another finding of the same group."""
    facts = {
        "open_to_strangers": ["integration_sync_log"],
        "closed_to_service_role": ["auth_sync_claim_v1(text,integer,integer)"],
        "pg_net_worker_is_up": False,
        "pg_net_refused": {"503": 1},
        "needs_attention": 1,
        "oldest_pending_seconds": 9999.0,
    }
    found = [finding.check for finding in findings(**facts) if finding.level is not Level.OK]
    assert found == ["rights", "rights", "pg_net", "pg_net", "backlog", "needs_attention"]


@pytest.mark.parametrize("make", [note, wrong])
def test_a_finding_needs_a_remedy(make: Callable[..., Finding]) -> None:
    """A `note` or `wrong` finding cannot be created without a remedy."""
    with pytest.raises(TypeError):
        make("check", "says")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (83, "1 min"), (3599, "59 min"), (3600, "1 h"), (90000, "1 d")],
)
def test_a_duration_has_one_unit(seconds: float, text: str) -> None:
    """A duration is written in the largest unit that it fills at least once, rounded down."""
    assert describe(seconds) == text


def test_the_database_clock_is_compared_with_the_local_clock() -> None:
    """The finding about the clock has the difference between the two clocks with its sign, in any time zone."""
    found = checks.clock(RIGHT, datetime.fromtimestamp(NOW - 600, UTC))
    assert (found.level, found.says) == (Level.WRONG, "+600 s from the database's")
