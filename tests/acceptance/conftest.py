"""The real server as a process, and a client that posts to it as pg_net does."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.command import Run, run_command, run_in_process, run_program, settings_for
from tests.acceptance.forked_server import ForkedServer, running
from tests.auth_stand_in import Auth
from tests.auth_traffic import headers_for
from tests.databases import dropped_afterwards
from tests.employees import Connection
from tests.integration.captured import auth_of
from tests.ports import free_port
from webhook_service.demo.traffic import body_of
from webhook_service.events import Json
from webhook_service.server.process import kill, wait_until_ready


def wait_for(what: str, condition: Callable[[], Any], *, seconds: float = 20) -> Any:
    """The first true value of `condition`. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s without success for: {what}")
        time.sleep(0.01)
    return value


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: if it is long, the embedded PostgreSQL puts its socket elsewhere."""
    with tempfile.TemporaryDirectory(prefix="ws-") as name:
        yield Path(name)


@dataclass(frozen=True, slots=True)
class Server:
    """A running gunicorn."""

    url: str
    process: ForkedServer
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text("utf-8")

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def workers(self) -> list[int]:
        return children_of(self.process.pid)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill_everything(self) -> None:
        """Kill the server and its workers at once, as a power loss does."""
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


StartServer = Callable[..., Server]


def end(process: ForkedServer) -> None:
    """Kill a server that still runs, with its workers. A graceful end waits up to two seconds for the relay."""
    if process.poll() is None:
        kill(process)


@contextmanager
def servers(database_url: str, folder: Path) -> Iterator[StartServer]:
    """Start servers on this database, with further settings. Their logs and temporary files are in `folder`."""
    with ExitStack() as stack:

        def start(**settings: str) -> Server:
            port = free_port()
            log_file = folder / f"server-{port}.log"
            own = {"HOST": "127.0.0.1", "PORT": str(port), "TMPDIR": str(folder)}
            environment = settings_for(database_url) | own | settings
            process = stack.enter_context(running(environment, log_file))
            stack.callback(end, process)
            server = Server(f"http://127.0.0.1:{port}", process, log_file)
            wait_until_ready(server.url, process)
            return server

        yield start


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    """Provide Auth's part of the test's database."""
    with auth_of(database_url) as auth:
        yield auth


@pytest.fixture
def start_server(database_url: str, tmp_path: Path) -> Iterator[StartServer]:
    """Start a server on this test's database, with further settings."""
    with servers(database_url, tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared_server(
    new_database: Callable[..., str], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server with one worker for all tests that leave it unharmed. Idle connections stay open for a minute, so that
    a connection that is closed sooner was refused.
    """
    folder = tmp_path_factory.mktemp("server")
    with dropped_afterwards(new_database(migrated_template)) as url, servers(url, folder) as start:
        yield start(WEB_CONCURRENCY="1", GUNICORN_CMD_ARGS="--keep-alive=60")


MAX_RETRIES = 3
"""How often a sender sends a delivery again that a busy server has answered with a 503."""


@dataclass(frozen=True, slots=True)
class Post:
    """A delivery, which has the same event id and body each time it is sent."""

    event_id: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a post: an HTTP status and a JSON document, or status 0 for a broken connection."""

    event_id: str
    status: int
    document: dict[str, Any]
    headers: httpx.Headers

    @property
    def outcome(self) -> Any:
        return self.document.get("outcome", self.document.get("reason"))


class Traffic:
    """Concurrent posts, which go to each of `urls` in turn. `answers` waits for all of them."""

    def __init__(
        self, urls: str | Sequence[str], posts: Iterable[Post], *, keep_alive: bool = False, at_once: int = 64
    ):
        # pg_net opens a connection for each request. A pool that keeps none sometimes closes a connection in use.
        self._client = client() if keep_alive else None
        self._threads = ThreadPoolExecutor(at_once)
        turns = cycle([urls] if isinstance(urls, str) else urls)
        self._futures = [self._threads.submit(self._send, url, post) for url, post in zip(turns, posts, strict=False)]

    def _send(self, url: str, post: Post) -> Answer:
        body = body_of(post.payload)
        try:
            with nullcontext(self._client) if self._client is not None else client() as sender:
                response = sender.post(f"{url}/webhook/auth", content=body, headers=headers_for(body, post.event_id))
        except httpx.TransportError as error:
            return Answer(post.event_id, 0, {"reason": repr(error)}, httpx.Headers())
        return Answer(post.event_id, response.status_code, response.json(), response.headers)

    def after(self, count: int) -> None:
        """Wait until `count` posts are answered."""
        done: Iterator[Future[Answer]] = as_completed(self._futures)
        for _ in range(count):
            next(done)

    def answered(self) -> int:
        return sum(future.done() for future in self._futures)

    def answers(self) -> list[Answer]:
        try:
            return [future.result() for future in self._futures]
        finally:
            self._threads.shutdown()
            if self._client is not None:
                self._client.close()


def client() -> httpx.Client:
    """A client for plain HTTP, without certificates: reading those of all authorities takes longer than a post."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.Client(limits=limits, timeout=15, verify=False)  # noqa: S501


def deliver(
    urls: str | Sequence[str], posts: Iterable[Post], *, keep_alive: bool = False, at_once: int = 64
) -> list[Answer]:
    """Post everything at once. The answers are in the order of the posts."""
    return Traffic(urls, posts, keep_alive=keep_alive, at_once=at_once).answers()


def deliver_until_accepted(urls: str | Sequence[str], posts: Iterable[Post], *, at_once: int = 64) -> list[Answer]:
    """Post everything at once, and again what got a 503, as senders do. The answers are in the order of the posts."""
    posts = list(posts)
    answers = deliver(urls, posts, at_once=at_once)
    for _ in range(MAX_RETRIES):
        again = [n for n, answer in enumerate(answers) if answer.status == 503]
        for n, answer in zip(again, deliver(urls, [posts[n] for n in again], at_once=at_once), strict=True):
            answers[n] = answer
    return answers


def refused(answers: Iterable[Answer]) -> list[tuple[str, int, Any]]:
    """The answers without a 2xx: event id, status, outcome."""
    return [(a.event_id, a.status, a.outcome) for a in answers if not 200 <= a.status < 300]


def has_waiting_calls(connection: Connection, count: int = 1) -> bool:
    """Whether `count` calls wait for a row lock in this database. Their requests are certainly in flight."""
    waiting = connection.execute(
        "select count(*) as calls from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    ).fetchone()
    return waiting is not None and waiting["calls"] >= count


def accepted_connections(url: str) -> int:
    """The number of connections that the server has accepted. Those in the kernel's queue have no inode yet."""
    port = f":{int(url.rsplit(':', 1)[1]):04X}"
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:])
    return sum(s[1].endswith(port) and s[3] == "01" and s[9] != "0" for s in sockets)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def run_with(runner: Run, database_url: str, folder: Path) -> Run:
    """`runner` with the settings for this database, and more settings as keyword arguments."""

    def run(*arguments: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
        environment = settings_for(database_url) | settings
        return runner(*arguments, environment=environment, folder=folder, stdin=stdin)

    return run


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """Run the command with this test's database, and return its exit code, standard output and standard error."""
    return run_with(run_command, database_url, tmp_path)


@pytest.fixture
def run_installed(database_url: str, tmp_path: Path) -> Run:
    """Like `run`, with the installed program. Each command has a test that uses it, or starts the program otherwise."""
    return run_with(run_program, database_url, tmp_path)


@pytest.fixture
def refused_run(database_url: str, tmp_path: Path) -> Run:
    """Like `run`, in the process of the tests, for arguments and settings that the command refuses."""
    return run_with(run_in_process, database_url, tmp_path)
