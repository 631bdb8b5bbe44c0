"""Measure the SCIM server in a large company: single changes in a row, filters and pages.

python -m benchmarks.scim [--employees 1000000] [--logins 20000] [--patches 1000] [--folder FOLDER]

It takes minutes, and a million employees need 2 GB of disk. With FOLDER, the database stays there, and the next run
with this folder measures at once.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import click
import httpx
import psycopg
from rich import box
from rich.console import Console
from rich.table import Table

from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.scim.clients import create_token
from webhook_service.server import process as server_process

TIMES = 7
SEED = """
insert into public.employees (email, first_name, last_name, employee_number, is_active, auth_user_id)
select 'person' || n || '@example.com', 'First' || n % 1000, 'Last' || n, 'E' || n, n % 10 <> 1,
       case when n % {step} = 0 then md5(n::text)::uuid end
  from generate_series(1, {employees}) as n;
insert into public.auth_user_state (auth_user_id, version, email, email_confirmed, employee_id)
select e.auth_user_id, 1, e.email, true, e.employee_id from public.employees e where e.auth_user_id is not null;
"""
ACTIVE = """
select employee_id from public.employees
 where is_active and (auth_user_id is not null) = %s order by employee_id limit %s
"""
FILTERS = (
    'userName eq "PERSON{middle}@example.com"',
    'externalId eq "x7"',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq "E{middle}"',
    'userName sw "person{middle}"',
    'name.familyName eq "last{middle}"',
    'userName co "{middle}@"',
    "active eq true",
    "active eq false",
    'active eq true and userName eq "person{middle}@example.com"',
    'meta.lastModified gt "2030-01-01T00:00:00Z"',
)
OFF = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}
Row = tuple[str, float, float, float | None]
"""The request, the median and the worst time in milliseconds, and the requests in a second."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--employees", default=1_000_000, show_default=True)
@click.option("--logins", default=20_000, show_default=True, help="How many of the employees have a login.")
@click.option("--patches", default=1_000, show_default=True, help="Deactivations in a row.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the database here.")
def main(employees: int, logins: int, patches: int, folder: Path | None) -> None:
    """Measure the SCIM server."""
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = stack.enter_context(embedded.running(place))
        url = environment["DATABASE_URL"]
        migrate.migrate(url)
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        seed(connection, employees, logins)
        client = stack.enter_context(directory(url, environment, place))
        rows = [
            measured("a person", TIMES, lambda: client.get(f"/Users/{employees // 2}")),
            *deactivations(client, connection, patches, has_login=False),
            *deactivations(client, connection, patches, has_login=True),
            *lists(client, employees),
        ]
    Console().print(table(rows, f"{employees:,} employees, {logins:,} logins"))


def seed(connection: psycopg.Connection, employees: int, logins: int) -> None:
    if connection.execute("select from public.employees limit 1").fetchone() is not None:
        return
    connection.execute("set session_replication_role = replica")  # seed data needs no triggers
    connection.execute(SEED.format(employees=employees, step=max(1, employees // max(1, logins))).encode())
    connection.execute("set session_replication_role = origin")
    connection.execute("vacuum analyze")


@contextmanager
def directory(url: str, environment: dict[str, str], folder: Path) -> Iterator[httpx.Client]:
    """Start the real server without a relay, and yield a client with the token of a directory."""
    with closing(DirectDatabase(url)) as database:
        token = create_token(database, "okta", requested_by="benchmark").token
    chosen = {"RELAY": "off", "SCIM_RATE": "1000000", "WEB_CONCURRENCY": "1", "TMPDIR": tempfile.gettempdir()}
    settings = {name: os.environ[name] for name in ("PATH", "HOME")} | environment | chosen
    with (folder / "server.log").open("wb") as log, server_process.listening(0) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with server_process.running(settings, log=log, listener=listener) as process:
            server_process.wait_until_ready(address, process)
            with httpx.Client(
                base_url=f"{address}/scim/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60
            ) as client:
                yield client


def deactivations(
    client: httpx.Client, connection: psycopg.Connection, patches: int, *, has_login: bool
) -> Iterator[Row]:
    """Deactivate active people one after the other, if there are such people."""
    people = connection.execute(ACTIVE.encode(), [has_login, patches]).fetchall()
    name = f"PATCH active:false, people {'with' if has_login else 'without'} a login"
    if people:
        ids = iter(people)
        yield measured(name, len(people), lambda: client.patch(f"/Users/{next(ids)[0]}", json=OFF), with_rate=True)


def lists(client: httpx.Client, employees: int) -> Iterator[Row]:
    """Read pages without and with a filter. `count` is the default."""
    pages: dict[str, dict[str, str | int]] = {
        "the first page": {},
        "a page in the middle": {"startIndex": employees // 2},
        "the last page": {"startIndex": employees - 50},
        "the first page, by userName": {"sortBy": "userName"},
    }
    pages |= {text: {"filter": text.format(middle=employees // 2)} for text in FILTERS}
    for name, parameters in pages.items():
        yield measured(name, TIMES, partial(client.get, "/Users", params=parameters))


def measured(name: str, times: int, request: Callable[[], httpx.Response], *, with_rate: bool = False) -> Row:
    """Send a request several times. Exit if one fails."""
    took: list[float] = []
    for number in range(times):
        started = time.perf_counter()
        answer = request()
        took.append((time.perf_counter() - started) * 1000)
        if not answer.is_success:
            raise SystemExit(f"{name}, request {number + 1}: {answer.status_code} {answer.text}")
    return name, statistics.median(took), max(took), 1000 * times / sum(took) if with_rate else None


def table(rows: list[Row], title: str) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("request", "median ms", "worst ms", "a second"):
        shown.add_column(heading, justify="left" if heading == "request" else "right", overflow="fold")
    for name, median, worst, rate in rows:
        shown.add_row(name, f"{median:,.1f}", f"{worst:,.1f}", "" if rate is None else f"{rate:,.0f}")
    return shown


if __name__ == "__main__":
    main()
