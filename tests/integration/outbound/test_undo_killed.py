"""The undo of a login is finished after kills and outages. It deletes no login that was linked in the meantime."""

from contextlib import suppress

import pytest

from tests.auth_faults import CUT
from tests.employees import employee, hire
from tests.integration.captured import end_leases, inbound, make_due, relay_all
from tests.integration.hiring import (
    EMAIL,
    Office,
    assert_nobody,
    assert_only,
    end_pause,
    intents,
    open_rows,
    pairs,
)
from tests.integration.killing import Killed, Steps, request, stepped
from webhook_service.settings import Settings

pytestmark = pytest.mark.campaign

CREATED = ["before intend", "after intend", "before create", "after create"]
MAX_STEPS = 16
"""More steps than an undo has. At a step beyond its end, no process is killed."""
STEPS = range(MAX_STEPS)
AGAINST_LOGINS = "alter table employees add constraint no_login check (auth_user_id is null)"
KNOWN = pytest.mark.parametrize("known", [True, False], ids=["known", "not yet"])
"""Whether the new auth user's event is applied before the import."""


@pytest.fixture
def half(hr: Office, settings: Settings) -> Office:
    """Kill a creation after Auth has created the login, and end its lease."""
    assert request(hr, settings, stepped(hr.relay, Steps(len(CREATED) - 1))) is None
    [(employee_id, user)] = pairs(hr.connection)
    assert (employee_id, user is None) == (None, False)
    end_leases(hr.connection)
    end_pause(hr.connection)
    return hr


def test_all_steps_are_killed(half: Office, settings: Settings) -> None:
    """The tests kill all steps of an undo by a relay and of an undo by a request."""
    steps, refused = Steps(), Steps()
    stepped(half.relay, steps).run_once("relay-2")
    assert_nobody(half.connection)
    half.connection.execute(AGAINST_LOGINS)
    assert request(half, settings, stepped(half.relay, refused)) is not None
    assert refused.passed[: len(CREATED)] == CREATED
    undo = ["after delete", "before get", "after get", "before settle", "after settle"]
    assert steps.passed[-len(undo) :] == refused.passed[-len(undo) :] == undo
    assert len(steps.passed) < MAX_STEPS
    assert len(refused.passed) - len(CREATED) < MAX_STEPS


@pytest.mark.parametrize("end", STEPS)
def test_another_relay_finishes_the_undo_of_a_killed_relay(half: Office, end: int) -> None:
    """If a relay is killed during an undo, another relay finishes it. A repeated request then succeeds."""
    for number in range(2):
        end_leases(half.connection)
        end_pause(half.connection)
        with suppress(Killed):
            stepped(half.relay, Steps(end)).run_once(f"relay-{number}")
    half.rest()
    assert_nobody(half.connection)
    assert intents(half.connection) == [("SUCCESS", "undone")]
    assert_only(half.connection, half.create())


@pytest.mark.parametrize("end", STEPS)
def test_the_relay_finishes_the_undo_of_a_killed_request(hr: Office, settings: Settings, end: int) -> None:
    """If a request is killed during an undo, the relay finishes the undo."""
    hr.connection.execute(AGAINST_LOGINS)
    request(hr, settings, stepped(hr.relay, Steps(len(CREATED) + end)))
    hr.rest()
    assert_nobody(hr.connection)
    assert intents(hr.connection) == [("SUCCESS", "undone")]


def test_an_undo_is_retried_through_an_outage(half: Office) -> None:
    """The relay retries an undo through an outage, until it succeeds."""
    [(_, user)] = pairs(half.connection)
    half.auth.fail(CUT)
    for _ in range(5):
        make_due(half.connection)
        end_pause(half.connection)
        half.run_pass()
        [left] = open_rows(half.connection)
        assert (left["status"], left["outcome"]) == ("FAILED", "auth_unavailable")
        assert pairs(half.connection) == [(None, user)]
    half.auth.fail(None)
    half.rest()
    assert_nobody(half.connection)


def assert_the_imported_lost_nothing(hr: Office, imported: int) -> None:
    """Check that the imported employee is not an orphan, has the login if it exists, and is otherwise as imported."""
    [(employee_id, user)] = pairs(hr.connection)
    assert employee_id == imported
    stored = employee(hr.connection, imported)
    assert (stored["auth_user_id"], stored["orphaned_at"], stored["email"]) == (user, None, EMAIL)
    assert {status for status, _ in intents(hr.connection)} == {"SUCCESS"}


@KNOWN
@pytest.mark.parametrize("events_first", [True, False], ids=["events first", "actions first"])
def test_an_import_before_the_undo_loses_nothing(half: Office, known: bool, events_first: bool) -> None:
    """A login is not deleted if the same person was imported as an employee and linked to it."""
    if known:
        relay_all(half.database)
    imported = hire(half.connection, EMAIL)
    half.rest(events_first=events_first)
    assert_the_imported_lost_nothing(half, imported)


@KNOWN
@pytest.mark.parametrize("moment", STEPS)
def test_an_import_during_the_undo_loses_nothing(half: Office, moment: int, known: bool) -> None:
    """An import of the same person at any step of the relay's undo loses no data and leaves no orphan."""
    if known:
        relay_all(half.database)
    imported: list[int] = []
    steps = Steps(at={moment: lambda: imported.append(hire(half.connection, EMAIL))})
    stepped(half.relay, steps).run_once("relay-2")
    half.rest()
    assert_the_imported_lost_nothing(half, *imported or [hire(half.connection, EMAIL)])


@pytest.mark.parametrize("moment", STEPS)
def test_an_event_during_the_undo_loses_nothing(half: Office, moment: int) -> None:
    """An event that links an imported employee at any step of the undo loses no data and leaves no orphan."""
    imported = hire(half.connection, EMAIL)
    assert [event["status"] for event in inbound(half.connection)] == ["PENDING"]
    stepped(half.relay, Steps(at={moment: lambda: relay_all(half.database)})).run_once("relay-2")
    half.rest()
    assert_the_imported_lost_nothing(half, imported)


@KNOWN
@pytest.mark.parametrize("moment", STEPS)
def test_an_import_during_the_requests_own_undo_loses_nothing(
    hr: Office, settings: Settings, moment: int, known: bool
) -> None:
    """An import of the same person at any step of a request's undo loses no data and leaves no orphan.

    The employees table refuses the request's row, and accepts the imported row.
    """
    hr.connection.execute(
        "alter table employees add constraint not_by_us check (auth_user_id is null or first_name is null)"
    )
    imported: list[int] = []

    def import_jane() -> None:
        if known:
            relay_all(hr.database)
        imported.append(hire(hr.connection, EMAIL))

    answer = request(hr, settings, stepped(hr.relay, Steps(at={len(CREATED) + moment: import_jane})))
    assert answer is not None
    assert answer.status_code in (409, 422)
    hr.rest()
    assert_the_imported_lost_nothing(hr, *imported or [hire(hr.connection, EMAIL)])
