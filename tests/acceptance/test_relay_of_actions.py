"""A relay process is killed in the middle of an action, and another one takes over without harm."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.acceptance.conftest import wait_for
from tests.acceptance.relaying import RelayProcess, relay_process
from tests.auth_faults import AuthServer, Call, fits
from tests.auth_server import auth_server
from tests.employees import Connection
from tests.integration.captured import auth_of, end_leases
from tests.integration.requested_actions import actions, dismiss, linked
from webhook_service.ports import Database

pytestmark = pytest.mark.campaign

EMAIL = "jane@example.com"


@pytest.fixture
def auth(database_url: str) -> Iterator[AuthServer]:
    with auth_server(database_url) as server:
        yield server


@pytest.fixture
def jane(database_url: str, database: Database, connection: Connection) -> tuple[int, UUID]:
    """An employee and its auth user."""
    with auth_of(database_url) as auth:
        return linked(connection, database, auth, EMAIL)


@contextmanager
def relay(database_url: str, folder: Path, auth: AuthServer, name: str) -> Iterator[RelayProcess]:
    settings = {"SUPABASE_URL": auth.url, "SUPABASE_SERVICE_ROLE_KEY": auth.key}
    with relay_process(database_url, folder, name, **settings) as process:
        yield process


class Stop:
    """Hold back the `number`th call of a method about an auth user, once it has arrived or has been carried out.

    A relay also reads Auth's settings, at a time of its own.
    """

    def __init__(self, auth: AuthServer, method: str, number: int, *, carried_out: bool) -> None:
        self.reached = threading.Event()
        self._auth = auth
        self._method = method
        self._left = number
        if carried_out:
            auth.after = self._hold
        else:
            auth.before = self._hold

    def _hold(self, call: Call) -> None:
        if fits(call.method, call.path, self._method, "/admin/users"):
            self._left -= 1
            if self._left == 0:
                self.reached.set()
                self._auth.over.wait()


def banned_until(connection: Connection, user: UUID) -> Any:
    [row] = connection.execute("select banned_until from auth.users where id = %s", [user]).fetchall()
    return row["banned_until"]


@pytest.mark.parametrize(
    ("method", "number", "carried_out", "bans"),
    [("GET", 1, True, 1), ("PUT", 1, False, 2), ("PUT", 1, True, 1), ("GET", 2, True, 1)],
    ids=["it has read", "it requests the ban", "the ban is set", "it has read again"],
)
def test_a_killed_relay_is_followed(
    database_url: str,
    tmp_path: Path,
    connection: Connection,
    auth: AuthServer,
    jane: tuple[int, UUID],
    method: str,
    number: int,
    carried_out: bool,
    bans: int,
) -> None:
    """When a relay is killed between any two steps of a dismissal, another one does the remaining steps.

    It begins after the end of the lease. The ban is requested twice at most, and the action is settled once.
    """
    employee_id, user = jane
    stop = Stop(auth, method, number, carried_out=carried_out)
    with relay(database_url, tmp_path, auth, "first") as first:
        dismiss(connection, employee_id)
        wait_for("the relay to reach this step", stop.reached.is_set)
        first.process.kill()
        first.process.wait()
    [action] = actions(connection)
    assert (action["status"], action["lease"] is not None) == ("PENDING", True)

    end_leases(connection)
    with relay(database_url, tmp_path, auth, "second"):
        wait_for("the action to be settled", lambda: actions(connection)[0]["status"] == "SUCCESS")
    [action] = actions(connection)
    assert action["attempts"] == 1
    assert banned_until(connection, user) is not None
    assert auth.count("PUT") == bans
