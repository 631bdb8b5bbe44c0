"""Measure the time of each whole page in a large company with a long history.

python -m benchmarks.pages [EMPLOYEES [EVENTS [FOLDER]]]    (default 1,000,000 and 5,000,000: ten minutes, 8 GB of disk)

With FOLDER, the database stays there, and the next run with this folder measures at once.
"""

import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from flask.testing import FlaskClient

from benchmarks.large_reads import seeded
from webhook_service.app import create_app
from webhook_service.db.direct import DirectDatabase
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ledger.employees import SyncStatus
from webhook_service.settings import DirectConnection, Settings
from webhook_service.web.pages import chart

TIMES = 7
ADMIN_KEY = "a key for this benchmark"
SECRET = "whsec_" + "c2VjcmV0" * 6

PATHS = (
    "/admin/auth-sync",
    "/admin/inbox",
    "/admin/events",
    "/admin/events?status=FAILED",
    "/admin/events?needs_attention=true",
    "/admin/events?status=PENDING",
    "/admin/events?outcome=orphaned",
    "/admin/events?outcome=unchanged&since=2026-01-01T00:00",
    "/admin/events?operation=disable_auth_user&status=FAILED",
    "/admin/events?person=first77",
    "/admin/events?person=nobody@example.com",
    "/admin/replays",
    "/admin/replays/new?status=FAILED",
    "/admin/employees",
    *(f"/admin/employees?sort={sort}" for sort in ("-id", "name", "email", "-email", "number")),
    "/admin/employees?after=500000&from=50",
    "/admin/employees?before=500000&from=100&sort=email",
    *(f"/admin/employees?sync_status={status}" for status in SyncStatus),
    "/admin/employees?sync_status=MISSING_AUTH_UID&sort=name",
    "/admin/employees?person=first77",
    "/admin/employees?person=bjorn",
    "/admin/employees?person=bjorn+muller7",
    "/admin/employees?person=bjorn+muller77777",
    "/admin/employees?person=nobody",
    "/admin/employees?person=person77",
    "/admin/employees?person=last77",
    "/admin/employees?person=First+7",
    "/admin/employees?person=bjorn&sync_status=MISSING_AUTH_UID",
    "/admin/employees/import",
    "/admin/employees/new",
    "/admin/suggestions/people?person=first77",
    "/admin/suggestions/people?person=fi",
    "/admin/comparison",
    "/admin/setup",
    "/admin/audit",
)
"""The measured pages. `paths_of_rows` adds pages about rows of the database."""

CHOSEN = "/admin/employees/chosen"


def main(employees: int, events: int, folder: Path | None) -> None:
    with seeded(employees, events, folder) as url:
        database = DirectDatabase(url)
        while database.call("auth_sync_refresh_mismatches_v1")["next_in"] == 0:
            pass
        settings = Settings(DirectConnection(url), parse_secrets(SECRET), ADMIN_KEY, relay=False)
        app = create_app(settings, database)
        sys.stdout.write(f"{employees:,} employees, {events:,} events: milliseconds, median and worst of {TIMES}\n")
        with app.test_client() as client:
            sign_in(client)
            for path in (*PATHS, *paths_of_rows(url)):
                report(path, [took(client, path) for _ in range(TIMES)])
            form: dict[str, str | list[str]] = {
                "csrf_token": csrf_token(client, "/admin/employees"),
                "act": "deactivate",
            }
            form["employee_id"] = [str(number) for number in range(employees // 2, employees // 2 + 50)]
            report(f"{CHOSEN} (preview of 50)", [took(client, CHOSEN, form) for _ in range(TIMES)])
        sys.stdout.write(f"load average: {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n")
        database.close()


def report(name: str, times: list[float]) -> None:
    sys.stdout.write(f"  {name:<75} {statistics.median(times):8.1f} {max(times):8.1f}\n")
    sys.stdout.flush()


def csrf_token(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    return found[1] if found else ""


def sign_in(client: FlaskClient) -> None:
    client.post("/admin/login", data={"key": ADMIN_KEY, "csrf_token": csrf_token(client, "/admin/login")})


def paths_of_rows(url: str) -> list[str]:
    """The paths of the events of the newest event's hour, of a failed event, of employees with and without a login, of
    an employee with many events, and of a bulk replay.
    """
    with psycopg.connect(url) as connection:
        failed = connection.execute(
            "select event_id from integration_sync_log where status = 'FAILED' limit 1"
        ).fetchone()
        person = connection.execute("select max(employee_id) from employees").fetchone()
        newest = connection.execute("select date_trunc('hour', max(created_at)) from integration_sync_log").fetchone()
        replay = connection.execute(
            "insert into auth_sync_bulk_replays (filter, requested_by, status, matched, up_to, position, ended_at)"
            " values ('{}', 'benchmark', 'DONE', 0, 0, 0, now()) returning id"
        ).fetchone()
        busy = connection.execute(
            "select employee_id from ("
            "  select employee_id from integration_sync_log where employee_id is not null limit 10000) as l"
            " group by 1 order by count(*) desc limit 1"
        ).fetchone()
    hour = chart.Hour((newest or [datetime.now(UTC)])[0].astimezone(UTC), Counter(), Counter())
    return [
        f"/admin/events?{urlencode(hour.filter)}",
        f"/admin/events?{urlencode(hour.filter_of('linked'))}",
        f"/admin/events/{(failed or ['none'])[0]}",
        f"/admin/employees/{(person or [0])[0]}",
        "/admin/employees/40",
        f"/admin/employees/{(busy or [0])[0]}",
        f"/admin/replays/{(replay or [0])[0]}",
    ]


def took(client: FlaskClient, path: str, form: Mapping[str, str | list[str]] | None = None) -> float:
    """Return the milliseconds of a request, a POST if there is a form. Raise RuntimeError unless the status is 200."""
    started = time.perf_counter()
    response = client.get(path) if form is None else client.post(path, data=form)
    if response.status_code != HTTPStatus.OK:
        raise RuntimeError(f"{path}: {response.status}")
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sizes = [int(text) for text in sys.argv[1:3]]
    employees, events = sizes + [1_000_000, 5_000_000][len(sizes) :]
    main(employees, events, Path(sys.argv[3]) if len(sys.argv) > 3 else None)
