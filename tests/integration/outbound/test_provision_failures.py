"""`provision` gives each employee one login with its password in spite of stops, concurrent runs and failures."""

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


def test_a_stopped_run(office: Office, connection: Connection) -> None:
    """A stopped run finishes the login that is under way, and the next run continues."""
    hire_many(connection, 4)
    office.ends_after = 2
    done = office.run()
    assert (done.is_stopped, done.created, done.under_way) == (True, 2, set())
    office.ends_after = None
    assert office.run().created == 2
    assert_each_once(office, 4)


# Concurrent runs


def test_concurrent_runs(office: Office, connection: Connection, database_url: str) -> None:
    """Concurrent runs create each login once, and each run ends well."""
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


def test_a_pause_that_auth_requests(office: Office, connection: Connection) -> None:
    """A pause applies to all relays and runs, and the employee is retried with a new password."""
    hire_many(connection, 2)
    office.server.fail_next(throttled("30"), method="POST")
    assert office.run().created == 2
    assert [round(seconds) for seconds in office.waits] == [30]
    assert [employee_id for employee_id, _, _ in office.announced] == [1, 1, 2]
    assert_each_once(office, 2)


def test_a_pause_in_the_middle_of_an_undo(office: Office, connection: Connection) -> None:
    """A run waits for the end of the lease if Auth requests a pause at every step, including the undo."""
    hire_many(connection, 2)
    office.server.fail_next(*[throttled("1")] * 2)
    office.server.fail_next(throttled("1"), throttled("1"), method="POST")
    office.server.fail_next(throttled("1"), throttled("1"), method="DELETE")
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.created, done.under_way) == (2, set())
    assert_each_once(office, 2)


def test_nothing_but_pauses(office: Office, connection: Connection) -> None:
    """A run ends with Auth's error after MAX_PAUSES pauses in a row."""
    hire_many(connection, 1)
    office.server.fail(throttled())
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, len(office.waits)) == ("auth_throttled", MAX_PAUSES)
    assert [round(seconds) for seconds in office.waits] == [5, 5, 8, 16, 32, 60, 60, 60, 60, 60]


def test_an_auth_that_is_unavailable(office: Office, connection: Connection) -> None:
    """A run announces longer and longer waits during an outage and ends with the error; the next run continues."""
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


def test_an_auth_that_comes_back(office: Office, connection: Connection) -> None:
    """A run continues after a short outage, and checks its unfinished logins at the end."""
    hire_many(connection, 3)
    office.server.fail_next(*[BROKEN] * 2, method="POST")
    office.server.fail_next(*[BROKEN] * 2, method="GET", path=USERS)
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.ended_by, done.under_way, done.refused) == (None, set(), {})
    assert_each_once(office, 3)


def test_failures_now_and_then(office: Office, connection: Connection) -> None:
    """A run continues after more failures in all than it accepts in a row."""
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


def test_a_response_that_is_lost(office: Office, connection: Connection) -> None:
    """A login whose response was lost is found by reading it, and no second one is created."""
    hire_many(connection, 2)
    office.server.fail_next(TIMED_OUT.after_commit(), method="POST")
    assert office.run().created == 2
    assert_each_once(office, 2)
    assert len(office.announced) == 2


def test_auth_users_that_cannot_be_created(office: Office, connection: Connection) -> None:
    """A run ends after five employees if Auth can be read but not written."""
    hire_many(connection, 20)
    office.server.fail_next(*[BROKEN] * 20, method="POST")
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.seen) == ("auth_unavailable", 5)


def test_a_database_that_is_slow(office: Office, connection: Connection, database_url: str) -> None:
    """A run retries a call of the database that timed out."""
    hire_many(connection, 1)
    with psycopg.connect(database_url) as other:
        other.execute("select from auth_sync_rate for update")
        office.at_wait = lambda seconds: other.rollback()
        assert office.run().created == 1
    assert office.waits == [2]
