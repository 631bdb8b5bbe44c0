"""Without `server/`: the application under other WSGI servers is correct, and only slower."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import Post, deliver, deliver_until_accepted, refused
from tests.acceptance.lives import hire_users, lives, user_id
from tests.acceptance.test_signals import assert_nothing_is_half_done
from tests.auth_traffic import CONFIRMED, insert
from tests.conftest import ADMIN_KEY
from tests.databases import dropped_afterwards
from tests.employees import Connection
from tests.ports import free_port

pytestmark = pytest.mark.campaign

ROOT = Path(__file__).parents[2]
SERVERS = {
    "gunicorn, sync": ("gunicorn", "--workers=2", "--backlog=512", "wsgi:app"),
    "gunicorn, gthread": ("gunicorn", "--worker-class=gthread", "--threads=8", "--backlog=512", "wsgi:app"),
    "flask run": ("flask", "--app=wsgi", "run", "--no-reload"),
}


@contextmanager
def served(command: tuple[str, ...], port: int, environment: dict[str, str], log_file: Path) -> Iterator[str]:
    at = [f"--bind=127.0.0.1:{port}"] if command[0] == "gunicorn" else [f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *at], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + 30
            while not answers(f"{url}/readyz"):
                assert process.poll() is None, log_file.read_text("utf-8")
                assert time.monotonic() < deadline
            yield url
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest,
    new_database: Callable[..., str],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, str]]:
    """The URLs of a server and of its database, for all tests. They run on one worker."""
    log_file = tmp_path_factory.mktemp("server") / "server.log"
    with (
        dropped_afterwards(new_database(migrated_template)) as database_url,
        served(SERVERS[request.param], free_port(), settings_for(database_url), log_file) as url,
    ):
        yield url, database_url


@pytest.fixture
def url(server: tuple[str, str]) -> str:
    return server[0]


@pytest.fixture
def connection(server: tuple[str, str]) -> Iterator[Connection]:
    """A connection to the server's database, which is emptied before each test."""
    with psycopg.connect(server[1], autocommit=True, row_factory=dict_row) as connection:
        connection.execute("truncate employees, integration_sync_log, auth_user_state restart identity cascade")
        yield connection


def test_every_life_comes_to_its_end(url: str, connection: Connection) -> None:
    """Concurrent deliveries in any order, each sent twice, end in the same employees as under our server."""
    hire_users(connection, 30)
    posts = lives(30)
    answers = deliver_until_accepted(url, [*posts, *posts], at_once=16)
    assert refused(answers) == []
    assert_nothing_is_half_done(connection, posts, 30)


def test_it_refuses_the_same(url: str, connection: Connection) -> None:
    """A missing signature, a body over the limit, another method and a missing key are refused as under our server."""
    assert httpx.post(f"{url}/webhook/auth", json={}).json()["reason"] == "missing_signature"
    assert httpx.post(f"{url}/webhook/auth", content=b" " * 1_000_001).status_code == 413
    assert httpx.get(f"{url}/webhook/auth").status_code == 405
    assert httpx.get(f"{url}/admin/api/summary").status_code == 401
    assert connection.execute("select from integration_sync_log").rowcount == 0


def test_probes_and_admins_are_answered(url: str, connection: Connection) -> None:
    """The probes, the metrics and the admin API answer as under our server."""
    hire_users(connection, 1)
    post = Post("evt-1", insert(user_id(1), email="user1@example.com", email_confirmed_at=CONFIRMED))
    assert [answer.outcome for answer in deliver(url, [post])] == ["linked"]
    for path in ("/healthz", "/readyz", "/metrics"):
        assert httpx.get(f"{url}{path}").status_code == 200
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert httpx.get(f"{url}/admin/api/events/evt-1", headers=headers).json()["outcome"] == "linked"


@pytest.mark.parametrize("server", SERVERS)
def test_the_missing_relay_is_reported(server: str, database_url: str, tmp_path: Path) -> None:
    """Another server logs at its start that it runs no relay. Until one has run, /readyz names the command to run."""
    log = tmp_path / "server.log"
    with served(SERVERS[server], free_port(), settings_for(database_url), log) as url:
        assert "No relay runs in this process" in log.read_text("utf-8")
        assert "webhook-service relay" in httpx.get(f"{url}/readyz").json()["relay"]


def test_relay_off_logs_no_warning(database_url: str, tmp_path: Path) -> None:
    """With RELAY=off the log has no such warning."""
    log = tmp_path / "server.log"
    environment = settings_for(database_url) | {"RELAY": "off"}
    with served(SERVERS["gunicorn, sync"], free_port(), environment, log):
        assert "No relay" not in log.read_text("utf-8")
