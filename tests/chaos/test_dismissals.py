"""Dismissals and returns by HR and admins, during which the processes that perform the actions are killed."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import wait_for
from tests.auth_faults import CUT, PAGE_500, TIMED_OUT, AuthServer, Fault, throttled
from tests.auth_server import auth_server
from tests.auth_stand_in import Auth
from tests.chaos.processes import RELAY, WEB, Killable, answers
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.two_sides import TIME_PASSES, put_witnesses
from tests.integration.two_sides_rules import broken
from tests.ports import free_port
from webhook_service.policy import EmailOwner

pytestmark = pytest.mark.campaign

CYCLES = 12
CHANGES = 8
"""The least number of changes in each cycle. Then a process that performs an action is killed."""
PEOPLE = 8
LATENCY_SECONDS = 0.03
"""The latency of Auth, so that a process performs an action most of the time."""
CHANCES: dict[Fault, float] = {
    fault: 0.03 for fault in (TIMED_OUT, TIMED_OUT.after_commit(), CUT, CUT.after_commit(), PAGE_500, throttled("1"))
}
OPEN = """
select operation, status, outcome, error_message from integration_sync_log
 where status <> 'SUCCESS' and (status = 'PENDING' or next_attempt_at is not null)
"""
UNLINKED = "select from employees where auth_user_id is null"
END_LEASES = """
update integration_sync_log set leased_until = now() - interval '1 second'
 where lease like any(%s) and leased_until is not null
"""
AT_WORK = "select from integration_sync_log where lease like %s and leased_until > now() and direction = 'outbound'"


class Process(Killable):
    """A Killable with the pattern of its leases.

    A relay's leases contain its process id, and there is only one web process.
    """

    @property
    def leases(self) -> str:
        assert self._pid is not None
        return "admin-%" if self._command == WEB else f"%-{self._pid}-%"


class Company:
    """HR, an admin who uses the API, and an admin of Auth. Each person has one e-mail."""

    def __init__(self, url: str, connection: Connection, auth: Auth, web_url: str, dice: random.Random) -> None:
        self._connection = connection
        self._auth = auth
        self._dice = dice
        self._api = httpx.Client(base_url=web_url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=60)
        self._admins = ThreadPoolExecutor(2)
        self._emails = [f"person-{number}@example.com" for number in range(PEOPLE)]
        for email in self._emails:
            hire(connection, email)
            auth.admin_create(email)

    def change(self) -> None:
        """Perform one random change of HR, an admin or Auth's admin."""
        email, is_active = self._dice.choice(self._emails), self._dice.random() < 0.5
        found = self._connection.execute("select * from employees where email = %s", [email]).fetchall()
        roll = self._dice.random()
        if not found:
            hire(self._connection, email, is_active=is_active)
        elif roll < 0.4:
            self._connection.execute("update employees set is_active = %s where email = %s", [is_active, email])
        elif roll < 0.7:
            self._admins.submit(self._patch, found[0]["employee_id"], is_active)
        elif roll < 0.85:
            self._connection.execute("delete from employees where email = %s", [email])
        elif user := found[0]["auth_user_id"]:
            self._auth.unban(user)

    def _patch(self, employee_id: int, is_active: bool) -> None:
        with suppress(httpx.TransportError):  # after a kill, the change may or may not be made
            self._api.patch(f"/admin/api/employees/{employee_id}", json={"is_active": is_active})

    def close(self) -> None:
        """Wait until each request has a response or has failed."""
        self._admins.shutdown()
        self._api.close()

    def hire_missing(self) -> None:
        """Hire the people who have no employee."""
        for email in self._emails:
            if not self._connection.execute("select from employees where email = %s", [email]).rowcount:
                hire(self._connection, email)


@contextmanager
def running(url: str, folder: Path, server: AuthServer) -> Iterator[tuple[dict[str, Process], str]]:
    """Run the web process and two relays. Yield them by name, and the URL of the web process."""
    port = free_port()
    auth = {"SUPABASE_URL": server.url, "SUPABASE_SERVICE_ROLE_KEY": server.key, "AUTH_RATE": "1000"}
    web = {"HOST": "127.0.0.1", "PORT": str(port), "RELAY": "off", "WEB_CONCURRENCY": "1"}
    processes = {
        name: Process(command, settings_for(url) | auth | more, folder / f"{name}.log")
        for name, command, more in (("web", WEB, web), ("relay-1", RELAY, {}), ("relay-2", RELAY, {}))
    }
    try:
        for process in processes.values():
            process.start()
        web_url = f"http://127.0.0.1:{port}"
        wait_for("the web process", lambda: answers(web_url), seconds=60)
        yield processes, web_url
    finally:
        for process in processes.values():
            process.kill()


def test_bans_are_right_after_any_kill(database_url: str, tmp_path: Path) -> None:
    """After kills at any moment, the login of each inactive employee is banned.

    The login of an active employee has no ban by this service.
    """
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    dice = random.Random(seed)
    put_witnesses(database_url)
    with ExitStack() as stack:
        hr, auth, api = (make_conninfo(database_url, application_name=name) for name in ("hr", "auth", "api"))
        connection = stack.enter_context(psycopg.connect(hr, autocommit=True, row_factory=dict_row))
        dashboard = Auth(stack.enter_context(psycopg.connect(auth, autocommit=True)))
        server = stack.enter_context(auth_server(api, seed=seed))
        processes, web_url = stack.enter_context(running(database_url, tmp_path, server))
        company = Company(database_url, connection, dashboard, web_url, dice)
        wait_for("all employees to be linked", lambda: not connection.execute(UNLINKED).rowcount)

        server.chances, server.latency = CHANCES, LATENCY_SECONDS
        killed: Counter[str] = Counter()
        for _ in range(CYCLES):
            for _ in range(CHANGES):
                company.change()
            name = wait_for("an action under way", lambda: worker(connection, company, processes), seconds=60)
            leases = processes[name].leases
            processes[name].kill()
            killed[name] += 1
            connection.execute(END_LEASES, [[leases]])
            processes[name].start()
        server.chances, server.latency = {}, 0.0
        company.close()
        company.hire_missing()

        wait_for("all is done", lambda: is_done(connection), seconds=120)
        wait_for("all employees to be linked again", lambda: not connection.execute(UNLINKED).rowcount)
        wait_for("all is done", lambda: is_done(connection), seconds=60)
        wrong = broken(connection, EmailOwner.AUTH)
        ended = [name for name, process in processes.items() if process.has_ended()]
    assert wrong + ended == [], f"repeat with CHAOS_SEED={seed}; {killed}\n" + "\n".join(wrong + ended)


def worker(connection: Connection, company: Company, processes: dict[str, Process]) -> str | None:
    """Return the process that performs an action now.

    If no process does, perform a random change, make waiting rows due, and return None.
    """
    for name, process in processes.items():
        if connection.execute(AT_WORK, [process.leases]).rowcount:
            return name
    company.change()
    is_done(connection)
    return None


def is_done(connection: Connection) -> bool:
    """Make waiting rows due, and return whether no row is open."""
    for statement in TIME_PASSES:
        connection.execute(statement)
    return not connection.execute(OPEN).rowcount
