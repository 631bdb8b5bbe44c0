"""`webhook-service demo`: the real server on an embedded PostgreSQL, and sample auth traffic against it."""

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
from psycopg.rows import TupleRow
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from webhook_service import config, serving, signature
from webhook_service.db import embedded, migrate
from webhook_service.demo_traffic import AFTERWARDS, EMPLOYEES, Post, body_of, traffic
from webhook_service.errors import Unavailable
from webhook_service.signature import Secret

SELECT_EMPLOYEES = """
select employee_number, first_name, last_name, email, auth_user_id is not null, orphaned_at is not null, is_active
  from public.employees order by employee_number
"""
COLORS = {"SUCCESS": "green", "FAILED": "yellow", "refused": "red"}


def run_demo(*, keeps_serving: bool, port: int) -> bool:
    """Plays the demo; True if every event and every employee came out as it should."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="webhook-service-") as folder:
        console.print("Starting an embedded PostgreSQL, migrating it, and starting the server ...")
        with embedded.running(Path(folder)) as environment, serving.listening(port) as listener:
            migrate.migrate(environment["DATABASE_URL"])
            seed(environment["DATABASE_URL"])
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with server(environment, listener, url, Path(folder) / "server.log", console):
                as_expected = show(console, url, environment)
                if keeps_serving:
                    serve_until_interrupted(console, url, environment)
    return as_expected


@contextmanager
def server(
    environment: dict[str, str], listener: socket.socket, url: str, log_file: Path, console: Console
) -> Iterator[None]:
    """The real server, ready. Where it does not start, its log is shown."""
    environment = config.without_settings(config.environment()) | environment
    with log_file.open("wb") as log, serving.running(environment, log=log, listener=listener) as process:
        try:
            serving.wait_until_ready(url, process)
        except Unavailable:
            console.print(log_file.read_text("utf-8"), markup=False)
            raise
        yield


def show(console: Console, url: str, environment: dict[str, str]) -> bool:
    """The traffic with its outcomes, then the employees before and after; True if all is as it should be."""
    before = employees(environment["DATABASE_URL"])
    as_expected = play(console, url, config.webhook_secrets(environment)[0])
    after = employees(environment["DATABASE_URL"])
    console.print(comparison(before, after))
    return check_employees(console, after) and as_expected


def seed(database_url: str) -> None:
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into public.employees (first_name, last_name, email, employee_number, is_active)"
            " values (%s, %s, %s, %s, %s)",
            EMPLOYEES,
        )


def employees(database_url: str) -> list[TupleRow]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(SELECT_EMPLOYEES).fetchall()


def play(console: Console, url: str, secret: Secret) -> bool:
    """Posts the traffic and shows each outcome as it comes; True if each is as expected."""
    table = Table(title="auth events, as signed webhooks", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", "what happens", "HTTP", "status", "outcome", "ms"):
        table.add_column(heading, justify="right" if heading == "ms" else "left")
    all_expected = True
    with Live(table, console=console, refresh_per_second=20), httpx.Client(base_url=url) as client:
        for number, post in enumerate(traffic(datetime.now(UTC)), start=1):
            started = time.perf_counter()
            response = send(client, secret, post)
            milliseconds = (time.perf_counter() - started) * 1000
            answer = response.json()
            status = answer["status"] if response.is_success else "refused"
            outcome = answer.get("outcome", answer.get("reason"))
            mark = "" if outcome == post.expected else f" [bold red](expected {post.expected})"
            all_expected &= outcome == post.expected
            color = COLORS[status]
            table.add_row(
                str(number),
                post.says,
                str(response.status_code),
                f"[{color}]{status}",
                f"{outcome}{mark}",
                f"{milliseconds:.1f}",
            )
    return all_expected


def send(client: httpx.Client, secret: Secret, post: Post) -> httpx.Response:
    body = body_of(post.payload)
    headers = signature.sign(secret, post.event_id, b"{}" if post.tampered else body, now=datetime.now(UTC))
    return client.post("/webhook/auth", content=body, headers=headers | {"Content-Type": "application/json"})


def comparison(before: list[TupleRow], after: list[TupleRow]) -> Table:
    table = Table(title="\nemployees, before and after", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("number", "name", "e-mail", "login", "active"):
        table.add_column(heading, overflow="fold")
    for old, new in zip(before, after, strict=True):
        table.add_row(
            new[0],
            changed(f"{old[1]} {old[2]}", f"{new[1]} {new[2]}"),
            changed(old[3], new[3]),
            login(new),  # nobody has one before
            "yes" if new[6] else "no",
        )
    return table


def login(row: TupleRow) -> str:
    return "linked" if row[4] else "orphaned" if row[5] else "none"


def changed(old: str, new: str) -> str:
    return new if old == new else f"{old}\n[bold]-> {new}[/bold]"


def check_employees(console: Console, after: list[TupleRow]) -> bool:
    wrong = [row[0] for row in after if AFTERWARDS[row[0]] != row[1:6]]
    if wrong:
        console.print(f"[bold red]Employees that are not as they should be: {', '.join(wrong)}")
    else:
        console.print("[green]Every employee is as it should be.[/green]")
    return not wrong


def serve_until_interrupted(console: Console, url: str, environment: dict[str, str]) -> None:
    key = environment["ADMIN_API_KEY"]
    try:
        console.print(f"\nServing at [bold]{url}[/bold] until you press Ctrl+C; then everything is removed.")
        for line in (
            f"WEBHOOK_SECRETS={environment['WEBHOOK_SECRETS']}",
            f"ADMIN_API_KEY={key}",
            f"curl {url}/readyz",
            f"curl -H 'Authorization: Bearer {key}' '{url}/admin/api/events?status=FAILED'",
        ):
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("\nStopping.")
