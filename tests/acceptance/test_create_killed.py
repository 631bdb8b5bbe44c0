"""The real server is killed while it creates an employee with a login.

Another server, with a relay, finishes the work.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import psycopg
import pytest

from tests.acceptance.conftest import Server, StartServer, has_waiting_calls, wait_for
from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.employees import Connection
from tests.integration.captured import end_leases
from tests.integration.hiring import AUTHORIZED, JANE_DOE, open_rows, pairs, passwords, whole_database
from tests.integration.killing import Held
from webhook_service.events import Json

GATE = 8152
"""An advisory lock. A transaction that fires the trigger waits for it, with nothing committed."""
STOP = f"""
create function stop() returns trigger language plpgsql set lock_timeout = '0' as $$ begin
  perform pg_advisory_xact_lock_shared({GATE});
  return null;
end $$;
create trigger stop after insert on {{}} for each row when ({{}}) execute function stop();
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A database, an Auth, and servers for both."""

    start_server: StartServer
    auth: AuthServer
    connection: Connection
    database_url: str

    def server(self, **settings: str) -> Server:
        supabase = {"SUPABASE_URL": self.auth.url, "SUPABASE_SERVICE_ROLE_KEY": self.auth.key}
        return self.start_server(WEB_CONCURRENCY="1", LOG_LEVEL="debug", **supabase, **settings)


@pytest.fixture
def scene(start_server: StartServer, connection: Connection, database_url: str) -> Iterator[Scene]:
    with auth_server(database_url, keep_passwords=True) as auth:
        yield Scene(start_server, auth, connection, database_url)


Moment = Callable[[Scene], AbstractContextManager[Callable[[], object]]]
"""Yields a function that waits for the moment. Until the end of the block, nothing goes on."""


@contextmanager
def auth_has(hook: str, path: str, scene: Scene) -> Iterator[Callable[[], object]]:
    """Auth has the call of this path, which it carries out before the block or after it."""
    held = Held(path)
    setattr(scene.auth, hook, held)
    try:
        yield held.wait
    finally:
        held.release()
    setattr(scene.auth, hook, None)


@contextmanager
def is_written(table: str, condition: str, scene: Scene) -> Iterator[Callable[[], object]]:
    """Such a row is written and not committed."""
    scene.connection.execute(STOP.format(table, condition).encode())
    with psycopg.connect(scene.database_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [GATE])
        yield lambda: wait_for("the gate", lambda: has_waiting_calls(scene.connection))
    scene.connection.execute("drop function stop cascade")


@contextmanager
def is_there(scene: Scene) -> Iterator[Callable[[], object]]:
    """The employee is committed. The answer is on its way, or has arrived."""
    yield lambda: wait_for("Jane", lambda: scene.connection.execute("select from employees").fetchall())


INTENT: Moment = partial(is_written, "integration_sync_log", "new.operation = 'create_auth_user'")
EMPLOYEE: Moment = partial(is_written, "employees", "new.auth_user_id is not null")
KILLS: list[tuple[str, Moment, bool, bool]] = [
    ("the intent is written", INTENT, False, False),
    ("Auth has the call", partial(auth_has, "before", "/admin/users"), False, False),
    ("Auth has made the login", partial(auth_has, "after", "/admin/users"), False, False),
    ("Auth has the invitation", partial(auth_has, "before", "/invite"), True, True),
    ("Auth has mailed it", partial(auth_has, "after", "/invite"), True, True),
    ("the employee is written", EMPLOYEE, False, True),
    ("the invited employee is written", EMPLOYEE, True, True),
    ("all is committed", is_there, False, True),
]
"""The moment of the kill, whether the employee is invited, and whether both exist in the end, or neither."""


def create(server: Server, body: Json) -> httpx.Response | None:
    """The answer, or None if the connection was broken."""
    try:
        return httpx.post(f"{server.url}/admin/api/employees", json=body, headers=AUTHORIZED, timeout=60)
    except httpx.TransportError:
        return None


def has_come_to_rest(connection: Connection) -> bool:
    """Whether no row is open, also none with the lease of a killed process."""
    end_leases(connection)
    return not open_rows(connection)


@pytest.mark.campaign
@pytest.mark.parametrize(("moment", "invite", "both"), [kill[1:] for kill in KILLS], ids=[kill[0] for kill in KILLS])
def test_a_killed_server_leaves_both_or_neither(scene: Scene, moment: Moment, invite: bool, both: bool) -> None:
    """A killed server leaves an employee with a login, or neither, once its successor has finished.

    Then the same request succeeds, or the answer names the employee. No password is in the database or in a log.
    """
    killed, body = scene.server(RELAY="off"), JANE_DOE | {"invite": invite}
    with ThreadPoolExecutor(1) as threads:
        with moment(scene) as come:
            asked = threads.submit(create, killed, body)
            come()
            killed.kill_everything()
        asked.result()
    successor = scene.server(RELAY="on")
    wait_for("rest", lambda: has_come_to_rest(scene.connection), seconds=60)
    found = pairs(scene.connection)
    assert [(employee_id is None, user is None) for employee_id, user in found] == [(False, False)] * both
    again = create(successor, body)
    assert again is not None
    assert (again.status_code, again.json().get("side")) == ((409, "employees") if both else (201, None))
    [(employee_id, user)] = pairs(scene.connection)
    assert (again.json()["employee_id"], user is None) == (employee_id, False)
    kept = whole_database(scene.connection) + killed.log() + successor.log()
    assert [password for password in passwords(scene.auth) if password in kept] == []


def test_a_server_creates_and_switches(scene: Scene) -> None:
    """A server that only the environment configures creates an employee with a login, and switches both off and on."""
    server = scene.server()
    answer = create(server, JANE_DOE)
    assert answer is not None
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert passwords(scene.auth) == [answer.json()["temporary_password"]]
    for is_active, outcome in ((False, "disabled"), (True, "enabled")):
        switched = httpx.patch(
            f"{server.url}/admin/api/employees/{answer.json()['employee_id']}",
            json={"is_active": is_active},
            headers=AUTHORIZED,
        )
        assert switched.json()["login"]["outcome"] == outcome
