"""Runs `webhook-service demo`: the real server on an embedded PostgreSQL, and a day of changes in Auth, HR, Okta."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import psycopg
from psycopg.rows import TupleRow, dict_row
from rich.console import Console
from rich.live import Live

from webhook_service import config
from webhook_service.auth.stand_in import Auth
from webhook_service.config import read_environment
from webhook_service.db import embedded, migrate
from webhook_service.demo.directory import directory
from webhook_service.demo.tables import Line, check_employees, comparison, lines_table
from webhook_service.demo.traffic import DAY, EMPLOYEES, HIRE, OUTAGE, Act, Post, Stage, body_of, posts
from webhook_service.errors import Unavailable
from webhook_service.inbound import signature
from webhook_service.inbound.signature import Secret
from webhook_service.server import process as server_process

SELECT_EMPLOYEES = """
select e.employee_number, e.first_name, e.last_name, e.email,
       case when u.banned_until > now() then 'disabled' when u.id is not null then 'linked'
            when e.orphaned_at is not null then 'orphaned' else 'none' end,
       e.is_active
  from public.employees e left join auth.users u on u.id = e.auth_user_id order by e.employee_number
"""
SELECT_EVENTS = """
select id, event_id, direction = 'outbound' as is_action,
       case when changes ? 'sessions_end_again_at' then 'SUCCESS' else status end as status,
       coalesce(outcome, changes ->> 'outcome') as outcome, via, request_data,
       extract(epoch from completed_at - created_at) * 1000 as ms
  from public.integration_sync_log where direction <> 'maintenance' and id > %s order by id
"""
"""A ban whose sessions will end once more has been set, so it counts as a success."""
TIMEOUT_SECONDS = 20.0
"""The longest wait for an event's outcome."""


def run_demo(*, keeps_serving: bool, port: int) -> bool:
    """Run the demo. Return whether every event and every employee is as expected."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="webhook-service-") as folder, ExitStack() as stack:
        console.print("Starting an embedded PostgreSQL, migrating it, and starting the server ...")
        environment = stack.enter_context(embedded.running(Path(folder)))
        listener = stack.enter_context(server_process.listening(port))
        migrate.migrate(environment["DATABASE_URL"])
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        hr, auth = (
            stack.enter_context(psycopg.connect(environment["DATABASE_URL"], autocommit=True)) for _ in range(2)
        )
        hr.cursor().executemany(HIRE, EMPLOYEES)
        before = employees(hr)
        okta = stack.enter_context(directory(environment["DATABASE_URL"], url))
        demo = Demo(console, hr, Stage(Auth(auth), hr, okta), url, config.webhook_secrets(environment)[0])

        def start_server() -> Popen[bytes]:
            log = Path(folder) / "server.log"
            return stack.enter_context(running_server(environment, listener, url, log, console))

        demo.play(start_server)
        after = employees(hr)
        console.print(comparison(before, after))
        as_expected = check_employees(console, after) and all(line.is_as_expected for line in demo.lines)
        if keeps_serving:
            serve_until_interrupted(console, url, environment)
    return as_expected


@contextmanager
def running_server(
    environment: dict[str, str], listener: Any, url: str, log_file: Path, console: Console
) -> Iterator[Popen[bytes]]:
    """Start the real server, and yield its process when it is ready.

    If the server does not start, print its log and raise Unavailable.
    """
    environment = config.without_settings(read_environment()) | environment
    with log_file.open("ab") as log, server_process.running(environment, log=log, listener=listener) as process:
        try:
            server_process.wait_until_ready(url, process)
        except Unavailable:
            console.print(log_file.read_text("utf-8"), markup=False)
            raise
        yield process


class Demo:
    """The demo's acts and their outcomes. Each act is a line of a table, which is redrawn after each change."""

    def __init__(
        self, console: Console, ledger: psycopg.Connection[Any], stage: Stage, url: str, secret: Secret
    ) -> None:
        self.lines: list[Line] = []
        self._console = console
        self._ledger = ledger
        self._stage = stage
        self._url = url
        self._secret = secret
        self._last_id = 0

    def play(self, start_server: Any) -> None:
        """Run the acts of the day, an outage in which the server is killed, its restart, and the HTTP requests."""
        process = start_server()
        with Live(console=self._console, refresh_per_second=20, vertical_overflow="visible") as live:

            def show(line: Line) -> None:
                if line not in self.lines:
                    self.lines.append(line)
                live.update(lines_table(self.lines))

            for act in DAY:
                show(self._wait_for_outcome(self._start(act)))
                self._wait_until_idle()
            server_process.kill(process)
            show(Line("THE SERVER IS KILLED"))
            waiting = [self._start(act) for act in OUTAGE]
            for line in waiting:
                show(line)
            start_server()
            show(Line("THE SERVER IS BACK"))
            for line in waiting:
                show(self._wait_for_outcome(line))
            with httpx.Client(base_url=self._url) as client:
                for post in posts(*self._captured()):
                    show(self._posted(client, post))

    def _start(self, act: Act) -> Line:
        """Perform the act, and return its line. If the act was captured, the line has the event or the action."""
        act.do(self._stage)
        line = Line(act.says, expected=act.expected)
        for event in self._events():
            self._last_id = event["id"]
            if event["is_action"] == act.is_action:
                line.event_id, line.status = event["event_id"], event["status"]
        return line

    def _wait_for_outcome(self, line: Line) -> Line:
        """Wait until the event has an outcome. The event of HR's insert has its outcome immediately."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while line.event_id is not None and time.monotonic() < deadline:
            event = self._event(line.event_id)
            if event["status"] != "PENDING":
                line.status, line.outcome, line.via = event["status"], event["outcome"], event["via"]
                line.milliseconds = event["ms"]
                break
            time.sleep(0.002)
        return line

    def _wait_until_idle(self) -> None:
        """Wait until no row of the ledger is pending, including an act's actions and the changes that they cause."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            events = self._events()
            if all(event["status"] != "PENDING" for event in events):
                self._last_id = max((event["id"] for event in events), default=self._last_id)
                return
            time.sleep(0.002)

    def _posted(self, client: httpx.Client, post: Post) -> Line:
        now, body = datetime.now(UTC), body_of(post.payload)
        event_id = post.event_id or f"demo-{now:%Y%m%d%H%M%S%f}"
        headers = signature.sign(self._secret, event_id, b"{}" if post.tampered else body, now=now)
        started = time.perf_counter()
        response = client.post("/webhook/auth", content=body, headers=headers | {"Content-Type": "application/json"})
        answer = response.json()
        return Line(
            post.says,
            expected=post.expected,
            status=answer["status"] if response.is_success else "refused",
            outcome=answer.get("outcome", answer.get("reason")),
            via=f"HTTP {response.status_code}",
            milliseconds=(time.perf_counter() - started) * 1000,
        )

    def _captured(self) -> tuple[str, Any]:
        event = next(event for event in self._events(0) if event["outcome"] == "linked")
        return event["event_id"], event["request_data"]

    def _events(self, after: int | None = None) -> list[dict[str, Any]]:
        with self._ledger.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(SELECT_EVENTS, [self._last_id if after is None else after]).fetchall()

    def _event(self, event_id: str) -> dict[str, Any]:
        return next(event for event in self._events(0) if event["event_id"] == event_id)


def employees(connection: psycopg.Connection[Any]) -> list[TupleRow]:
    return connection.execute(SELECT_EMPLOYEES).fetchall()


def serve_until_interrupted(console: Console, url: str, environment: dict[str, str]) -> None:
    key = environment["ADMIN_API_KEY"]
    try:
        console.print(f"\nServing at [bold]{url}[/bold] until you press Ctrl+C; then everything is removed.")
        for line in (
            f"the dashboard: {url}/admin/ (sign in with the ADMIN_API_KEY)",
            f"ADMIN_API_KEY={key}",
            f"WEBHOOK_SECRETS={environment['WEBHOOK_SECRETS']}",
            f"DATABASE_URL='{environment['DATABASE_URL']}'",
            f"curl {url}/readyz",
            f"curl -H 'Authorization: Bearer {key}' '{url}/admin/api/events?status=FAILED'",
        ):
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("\nStopping.")
