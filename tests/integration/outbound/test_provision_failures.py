"""`provision` gives each employee one login and its password, even with stops, concurrent runs and failures."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from tests.acceptance.conftest import wait_for
from tests.auth_faults import BROKEN, CUT, TIMED_OUT, Call, throttled
from tests.employees import Connection
from tests.integration.provisioning import USERS, Office, assert_each_once, hire_many, intents, open_office
from webhook_service.db.direct import DirectDatabase
from webhook_service.outbound.pace import MAX_ATTEMPTS, MAX_PAUSES
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


def test_a_stopped_run_completes_its_login(office: Office, connection: Connection) -> None:
    """A stopped run completes the login that it has begun, and the next run continues."""
    hire_many(connection, 4)
    office.ends_after = 2
    done = office.run()
    assert (done.is_stopped, done.created, done.under_way) == (True, 2, set())
    office.ends_after = None
    assert office.run().created == 2
    assert_each_once(office, 4)


# Concurrent runs


def test_concurrent_runs_create_each_login_once(office: Office, connection: Connection, database_url: str) -> None:
    """Concurrent runs create each login once, and each run ends without an error."""
    hire_many(connection, 40)

    def run(_: int) -> Counter[str]:
        with closing(DirectDatabase(database_url)) as database:
            done = office.run(database=database)
        assert (done.refused, done.under_way, done.ended_by) == ({}, set(), None)
        return Counter(created=done.created)

    office.at_wait = lambda seconds: wait_for(
        "the other runs' intents", lambda: all(status == "SUCCESS" for _, status, _ in intents(connection))
    )
    with ThreadPoolExecutor(3) as pool:
        created = sum(pool.map(run, range(3)), Counter())
    assert created == {"created": 40}
    assert_each_once(office, 40)
    assert office.server.count("POST", USERS) == 40


# Failures of Auth


def test_a_requested_pause_applies_to_all_relays(office: Office, connection: Connection) -> None:
    """A pause applies to all relays and runs. The employee is then retried with a new password."""
    hire_many(connection, 2)
    office.server.fail_next(throttled("30"), method="POST")
    assert office.run().created == 2
    assert [round(seconds) for seconds in office.waits] == [30]
    assert [employee_id for employee_id, _, _ in office.announced] == [1, 1, 2]
    assert_each_once(office, 2)


def test_a_run_waits_for_the_lease_if_the_undo_is_paused(office: Office, connection: Connection) -> None:
    """If Auth requests a pause at every step, including the undo, the run waits for the end of the lease."""
    hire_many(connection, 2)
    office.server.fail_next(*[throttled("1")] * 2)
    office.server.fail_next(throttled("1"), throttled("1"), method="POST")
    office.server.fail_next(throttled("1"), throttled("1"), method="DELETE")
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.created, done.under_way) == (2, set())
    assert_each_once(office, 2)


def test_a_run_ends_after_many_pauses(office: Office, connection: Connection) -> None:
    """A run ends with Auth's error after MAX_PAUSES pauses in a row."""
    hire_many(connection, 1)
    office.server.fail(throttled())
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, len(office.waits)) == ("auth_throttled", MAX_PAUSES)
    assert [round(seconds) for seconds in office.waits] == [5, 5, 8, 16, 32, 60, 60, 60, 60, 60]


def test_a_run_ends_during_an_outage(office: Office, connection: Connection) -> None:
    """During an outage a run announces longer and longer waits and ends with the error. The next run continues."""
    hire_many(connection, 4)

    def fail_after_two(call: Call) -> None:
        if call.method == "POST" and office.server.count("POST", USERS) == 2:
            office.server.fail(CUT)

    office.server.after = fail_after_two
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.created, office.waits) == ("auth_unreachable", 2, [2, 4, 8, 16])
    assert sum("waiting" in text for text in office.said) == 4

    office.server.fail(None)
    office.server.after = None
    office.end_leases()
    assert office.run().created == 2
    assert_each_once(office, 4)


def test_a_run_continues_after_a_short_outage(office: Office, connection: Connection) -> None:
    """After a short outage a run continues, and checks its unfinished logins at the end."""
    hire_many(connection, 3)
    office.server.fail_next(*[BROKEN] * 2, method="POST")
    office.server.fail_next(*[BROKEN] * 2, method="GET", path=USERS)
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.ended_by, done.under_way, done.refused) == (None, set(), {})
    assert_each_once(office, 3)


def test_a_run_continues_after_occasional_failures(office: Office, connection: Connection) -> None:
    """A run continues even if it has more failures in total than it accepts in a row."""
    hire_many(connection, 4 * MAX_ATTEMPTS)
    times: Counter[int] = Counter()

    def every_other(employee_id: int) -> None:
        times[employee_id] += 1
        if employee_id % 2 and times[employee_id] == 1:
            office.server.fail_next(BROKEN, method="POST")

    office.at_announcement = every_other
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.ended_by, done.under_way, done.refused) == (None, set(), {})
    assert sum(times.values()) == 6 * MAX_ATTEMPTS
    assert_each_once(office, 4 * MAX_ATTEMPTS)


def test_a_login_whose_response_was_lost_is_found(office: Office, connection: Connection) -> None:
    """If a response was lost, the run finds the login by reading it, and creates no second login."""
    hire_many(connection, 2)
    office.server.fail_next(TIMED_OUT.after_commit(), method="POST")
    assert office.run().created == 2
    assert_each_once(office, 2)
    assert len(office.announced) == 2


def test_a_run_ends_if_auth_cannot_be_written(office: Office, connection: Connection) -> None:
    """A run ends after five employees if Auth can be read but not written."""
    hire_many(connection, 20)
    office.server.fail_next(*[BROKEN] * 20, method="POST")
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.seen) == ("auth_unavailable", 5)


def test_a_run_retries_a_slow_call_of_the_database(office: Office, connection: Connection, database_url: str) -> None:
    """A run retries a call of the database that timed out."""
    hire_many(connection, 1)
    with psycopg.connect(database_url) as other:
        other.execute("select from auth_sync_rate for update")
        office.at_wait = lambda seconds: other.rollback()
        assert office.run().created == 1
    assert office.waits == [2]
