"""Measure the time of each whole page in a large company with a long history.

python -m benchmarks.pages [EMPLOYEES [EVENTS]]    (default 1,000,000 and 5,000,000: ten minutes, 8 GB of disk)
"""

import re
import statistics
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
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
    *(f"/admin/employees?sync_status={status}" for status in SyncStatus),
    "/admin/employees?person=first77",
    "/admin/suggestions/people?person=first77",
    "/admin/suggestions/people?person=fi",
    "/admin/comparison",
    "/admin/setup",
    "/admin/audit",
)
"""The measured pages. `paths_of_rows` adds the events of an hour of the chart, a failed event and an employee."""


def main(employees: int, events: int) -> None:
    with seeded(employees, events) as url:
        database = DirectDatabase(url)
        while database.call("auth_sync_refresh_mismatches_v1")["next_in"] == 0:
            pass
        settings = Settings(DirectConnection(url), parse_secrets(SECRET), ADMIN_KEY, relay=False)
        app = create_app(settings, database)
        sys.stdout.write(f"{employees:,} employees, {events:,} events: milliseconds, median and worst of {TIMES}\n")
        with app.test_client() as client:
            sign_in(client)
            for path in (*PATHS, *paths_of_rows(url)):
                times = [took(client, path) for _ in range(TIMES)]
                sys.stdout.write(f"  {path:<75} {statistics.median(times):8.1f} {max(times):8.1f}\n")
        database.close()


def sign_in(client: FlaskClient) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/admin/login").text)
    client.post("/admin/login", data={"key": ADMIN_KEY, "csrf_token": token[1] if token else ""})


def paths_of_rows(url: str) -> list[str]:
    """The paths of the events of the newest event's hour, of a failed event and of an employee."""
    with psycopg.connect(url) as connection:
        failed = connection.execute(
            "select event_id from integration_sync_log where status = 'FAILED' limit 1"
        ).fetchone()
        person = connection.execute("select max(employee_id) from employees").fetchone()
        newest = connection.execute("select date_trunc('hour', max(created_at)) from integration_sync_log").fetchone()
    hour = chart.Hour((newest or [datetime.now(UTC)])[0].astimezone(UTC), Counter(), Counter())
    return [
        f"/admin/events?{urlencode(hour.filter)}",
        f"/admin/events?{urlencode(hour.filter_of('linked'))}",
        f"/admin/events/{(failed or ['none'])[0]}",
        f"/admin/employees/{(person or [0])[0]}",
    ]


def took(client: FlaskClient, path: str) -> float:
    """Return the milliseconds of one request. Raise RuntimeError unless the status is 200."""
    started = time.perf_counter()
    response = client.get(path)
    if response.status_code != HTTPStatus.OK:
        raise RuntimeError(f"{path}: {response.status}")
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sizes = [int(text) for text in sys.argv[1:]]
    main(*(sizes + [1_000_000, 5_000_000][len(sizes) :]))
