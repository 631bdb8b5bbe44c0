"""`webhook-service provision` that is killed, stopped or run twice at once.

Each employee gets one login and its password.
"""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import wait_for
from tests.acceptance.provisioning import Desk, hold
from tests.auth_faults import Call, throttled
from tests.auth_server import auth_server
from tests.employees import Connection
from tests.integration.captured import end_leases
from tests.integration.provisioning import auth_users, hire_many, logins

pytestmark = pytest.mark.campaign

PEOPLE = 60
KILLS = 5


@pytest.fixture
def desk(tmp_path: Path, database_url: str, connection: Connection) -> Iterator[Desk]:
    with auth_server(database_url, keep_passwords=True) as server:
        yield Desk(tmp_path, database_url, connection, server)


def kill_at(desk: Desk, number: int, where: str) -> None:
    """Kill a run while Auth holds this request back. Auth carries the request out all the same."""
    held, hook = hold(desk, number)
    setattr(desk.server, where, hook)
    with desk.started() as process:
        held.wait()
        process.kill()
        process.wait()
    held.release.set()
    wait_for("Auth to create the login", lambda: len(auth_users(desk.connection)) == number)
    setattr(desk.server, where, None)
    end_leases(desk.connection)


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_while_auth_is_asked(desk: Desk, connection: Connection, where: str) -> None:
    """After kills while Auth creates a login, the next run finishes the work and creates no login twice."""
    hire_many(connection, 6)
    for number in (2, 3, 5):
        kill_at(desk, number, where)
    assert desk.run("--yes", "--output", "logins.csv")[0] == 0
    desk.assert_each_once(6)
    assert desk.created() == 6


def test_killed_at_any_moment(desk: Desk, connection: Connection) -> None:
    """After kills at random moments, each employee has one login, and the employee's last line has the password."""
    hire_many(connection, PEOPLE)
    desk.server.latency = 0.03
    done: list[Call] = []
    desk.server.after = done.append
    chance = random.Random(7)
    for _ in range(KILLS):
        with desk.started() as process:
            desk.wait_for_more(chance.randint(1, 4))
            wait_for("a moment", lambda: chance.random() < 0.3)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        wait_for("Auth to be done", lambda: sum(call.method == "POST" for call in done) == desk.created())
        end_leases(connection)
    assert desk.run("--yes", "--output", "logins.csv")[0] == 0
    desk.assert_each_once(PEOPLE)


def test_two_at_once(desk: Desk, connection: Connection) -> None:
    """Two concurrent runs share the employees, create no login twice, and both succeed."""
    hire_many(connection, PEOPLE)

    def together(call: Call) -> None:
        if call.method == "POST":
            wait_for("both to be at work", lambda: desk.created() >= 2)

    desk.server.before = together
    with desk.started("a.csv", "a.txt") as first, desk.started("b.csv", "b.txt") as second:
        assert (first.wait(60), second.wait(60)) == (0, 0)
    desk.assert_each_once(PEOPLE)
    assert desk.created() == PEOPLE
    parts = [set(desk.passwords(file)) for file in desk.files()]
    assert len(parts) == 2
    assert not parts[0] & parts[1]


def test_two_into_one_file(desk: Desk, connection: Connection) -> None:
    """A second run with the same file is refused, because the last line of an employee must have the password."""
    hire_many(connection, 2)
    held, desk.server.before = hold(desk, 1)
    with desk.started() as process:
        held.wait()
        code, _, errors = desk.run("--yes", "--output", "logins.csv")
        assert (code, "[output_in_use]" in errors) == (1, True)
        held.release.set()
        assert process.wait(60) == 0
    desk.assert_each_once(2)


def test_ended_while_it_waits(desk: Desk, connection: Connection) -> None:
    """A run that pauses because Auth throttles it ends at once at SIGTERM."""
    hire_many(connection, 1)
    desk.server.fail_next(throttled("3600"), method="POST")
    with desk.started() as process:
        wait_for("the pause", lambda: b"waiting 36" in (desk.folder / "log.txt").read_bytes())
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    connection.execute("update auth_sync_rate set paused_until = now()")
    assert desk.run("--yes", "--output", "logins.csv")[0] == 0
    desk.assert_each_once(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "SIGTERM"])
def test_ended_in_order(desk: Desk, connection: Connection, number: signal.Signals) -> None:
    """A run that is interrupted finishes the current login, prints the number of logins, and says how to go on."""
    hire_many(connection, 4)
    held, desk.server.before = hold(desk, 2)
    with desk.started() as process:
        held.wait()
        process.send_signal(number)
        held.release.set()
        assert process.wait(60) == 128 + number
    said = (desk.folder / "log.txt").read_text("utf-8")
    assert "       2 created" in said
    assert "run it again to continue" in said
    assert "Traceback" not in said
    assert len(logins(connection)) == 2
    assert desk.run("--yes", "--output", "logins.csv")[0] == 0
    desk.assert_each_once(4)
