"""Provisioning that is stopped, meets others, or meets trouble: in the end everyone has one login, and its password."""

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
from webhook_service.outbound.pace import MAX_PAUSES, TRIES
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


def test_stopping(office: Office, connection: Connection) -> None:
    """The one that is under way is finished, and no other begun; the next run goes on."""
    hire_many(connection, 4)
    office.ends_after = 2
    done = office.run()
    assert (done.is_stopped, done.created, done.under_way) == (True, 2, set())
    office.ends_after = None
    assert office.run().created == 2
    assert_each_once(office, 4)


# Several at once


def test_runs_at_once(office: Office, connection: Connection, database_url: str) -> None:
    """Nobody is done twice, whoever is faster; each run ends well."""
    hire_many(connection, 40)

    def run(_: int) -> Counter[str]:
        with closing(DirectDatabase(database_url)) as database:
            done = office.run(database=database)
        assert (done.refused, done.under_way, done.ended_by) == ({}, set(), None)
        return Counter(created=done.created)

    office.at_wait = lambda seconds: wait_for(
        "what the others have begun", lambda: all(status == "SUCCESS" for _, status, _ in intents(connection))
    )
    with ThreadPoolExecutor(3) as pool:
        created = sum(pool.map(run, range(3)), Counter())
    assert created == {"created": 40}
    assert_each_once(office, 40)
    assert office.server.count("POST", USERS) == 40


# Auth in trouble


def test_a_pause_that_auth_asks_for(office: Office, connection: Connection) -> None:
    """It is everybody's: the bucket has it. Then the same employee comes again, with a new password."""
    hire_many(connection, 2)
    office.server.fail_next(throttled("30"), method="POST")
    assert office.run().created == 2
    assert [round(seconds) for seconds in office.waits] == [30]
    assert [employee_id for employee_id, _, _ in office.announced] == [1, 1, 2]
    assert_each_once(office, 2)


def test_a_pause_in_the_middle_of_taking_back(office: Office, connection: Connection) -> None:
    """Auth asks for pauses and for nothing else: then whoever was begun waits for the end of the lease."""
    hire_many(connection, 2)
    office.server.fail_next(*[throttled("1")] * 2)
    office.server.fail_next(throttled("1"), throttled("1"), method="POST")
    office.server.fail_next(throttled("1"), throttled("1"), method="DELETE")
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.created, done.under_way) == (2, set())
    assert_each_once(office, 2)


def test_nothing_but_pauses(office: Office, connection: Connection) -> None:
    """It ends with Auth's own error, some minutes later."""
    hire_many(connection, 1)
    office.server.fail(throttled())
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, len(office.waits)) == ("auth_throttled", MAX_PAUSES)
    assert [round(seconds) for seconds in office.waits] == [5, 5, 8, 16, 32, 60, 60, 60, 60, 60]


def test_an_auth_that_is_away(office: Office, connection: Connection) -> None:
    """Some tries with longer and longer waits, which are told; then the error. What is done is done, and the next run
    goes on.
    """
    hire_many(connection, 4)

    def away_after_two(call: Call) -> None:
        if call.method == "POST" and office.server.count("POST", USERS) == 2:
            office.server.fail(CUT)

    office.server.after = away_after_two
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
    """The run goes on by itself; whoever was begun is looked at again at the end."""
    hire_many(connection, 3)
    office.server.fail_next(*[BROKEN] * 2, method="POST")
    office.server.fail_next(*[BROKEN] * 2, method="GET", path=USERS)
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.ended_by, done.under_way, done.refused) == (None, set(), {})
    assert_each_once(office, 3)


def test_trouble_now_and_then(office: Office, connection: Connection) -> None:
    """More of it in all than is borne in a row: the run goes on."""
    hire_many(connection, 4 * TRIES)
    times: Counter[int] = Counter()

    def every_other(employee_id: int) -> None:
        times[employee_id] += 1
        if employee_id % 2 and times[employee_id] == 1:
            office.server.fail_next(BROKEN, method="POST")

    office.at_announcement = every_other
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.ended_by, done.under_way, done.refused) == (None, set(), {})
    assert sum(times.values()) == 6 * TRIES
    assert_each_once(office, 4 * TRIES)


def test_an_answer_that_is_lost(office: Office, connection: Connection) -> None:
    """Auth says 504 and has created it: that is found out by reading, and no second one is made."""
    hire_many(connection, 2)
    office.server.fail_next(TIMED_OUT.after_commit(), method="POST")
    assert office.run().created == 2
    assert_each_once(office, 2)
    assert len(office.announced) == 2


def test_auth_users_that_cannot_be_created(office: Office, connection: Connection) -> None:
    """Auth can be read and not written: it is not tried with everybody."""
    hire_many(connection, 20)
    office.server.fail_next(*[BROKEN] * 20, method="POST")
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, done.seen) == ("auth_unavailable", 5)


def test_a_database_that_is_slow(office: Office, connection: Connection, database_url: str) -> None:
    """Somebody holds the bucket for too long: it is tried again."""
    hire_many(connection, 1)
    with psycopg.connect(database_url) as other:
        other.execute("select from auth_sync_rate for update")
        office.at_wait = lambda seconds: other.rollback()
        assert office.run().created == 1
    assert office.waits == [2]
