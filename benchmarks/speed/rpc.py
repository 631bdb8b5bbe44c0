"""Compare one `rpc` per event with the product, which groups events, over supabase-py and Supabase Lite.

Needs Node.js >= 20 and `npm ci --prefix tests/supabase_lite`.
"""

import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import httpx

from benchmarks.speed import servers
from benchmarks.speed.database import HERE
from benchmarks.speed.events import requests, some_events
from benchmarks.speed.load import send
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure, rate, ratio
from tests import supabase_lite_server
from tests.supabase_lite_server import SupabaseLite
from webhook_service.inbound.signature import parse_secrets

CONNECTIONS = (16, 64)
EMPLOYEES = 5000
MAX_EVENTS = 2000
"""The limit of events in a run, because PGlite has one connection and is slow."""
SECRET = "whsec_" + "c2VjcmV0" * 6
MERGED, SINGLE = "the product over supabase-py", "one rpc per event"


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of one run, with the events a second that are in the ledger, and the share that was refused."""

    rate: float
    refused: float


def measure(options: Options, report: Report) -> list[Figure]:
    if not supabase_lite_server.LITE.exists():
        raise RuntimeError("Supabase Lite is missing: npm ci --prefix tests/supabase_lite")
    count = min(options.events, MAX_EVENTS)
    measured: dict[tuple[str, int], list[Committed]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as prepared, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        supabase_lite_server.prepare(Path(prepared))
        lite = stack.enter_context(supabase_lite_server.running(Path(prepared), Path(folder)))
        seed(lite)
        environment = {
            "SUPABASE_URL": lite.url,
            "SUPABASE_SERVICE_ROLE_KEY": lite.service_role_key,
            "WEBHOOK_SECRETS": SECRET,
            "ADMIN_API_KEY": "a-key-for-this-benchmark",
            "AUTH_ADMIN": "off",
        }
        single = servers.baseline(environment, threads=32, app="benchmarks.speed.baseline_rpc:create_app()")
        with servers.product(environment) as merging, single as calling:
            both = {SINGLE: calling, MERGED: merging}
            for number, connections, (name, server) in product(range(options.rounds), CONNECTIONS, both.items()):
                found = run(lite, server, connections, count, f"New{number}-{connections}-{name}")
                report(f"round {number + 1}, {connections} connections, {name}: {found.rate:,.0f} events/s")
                measured[name, connections].append(found)
    return [figure for connections in CONNECTIONS for figure in figures(measured, connections)]


def run(lite: SupabaseLite, server: servers.Server, connections: int, count: int, name: str) -> Committed:
    """Measure one server. Events that take longer than the service's timeout are refused, and do not count."""
    sent = list(requests(some_events(EMPLOYEES, count, name), parse_secrets(SECRET)[0], server.port))
    took = send(sent, server.port, connections, may_be_refused=True)
    done = committed(lite, name)
    if done < count - took.refused:
        raise RuntimeError(f"{count} events were sent, {took.refused} refused, but only {done} are committed")
    return Committed((count - took.refused) / took.seconds, took.refused / count)


def figures(measured: dict[tuple[str, int], list[Committed]], connections: int) -> list[Figure]:
    ours, theirs = measured[MERGED, connections], measured[SINGLE, connections]
    multiple = median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))
    found = []
    for name, runs in ((SINGLE, theirs), (MERGED, ours)):
        refused = f"{median(run.refused for run in runs):.1%} refused"
        times = f"{ratio(multiple)} times as many; " if name == MERGED else ""
        found.append(
            Figure(f"{connections} connections: {name}", rate(median(run.rate for run in runs)), times + refused)
        )
    return found


def seed(lite: SupabaseLite) -> None:
    """Run seed.sql statement by statement."""
    query(lite, "select to_jsonb(set_config('session_replication_role', 'replica', false))")
    script = (HERE / "seed.sql").read_text("utf-8").split("\n", 1)[1].replace(":employees", str(EMPLOYEES))
    for statement in script.split(";\n"):
        if statement.strip().startswith("insert"):
            query(lite, f"with done as ({statement.strip()} returning 1) select to_jsonb(count(*)) from done")
    query(lite, "select to_jsonb(set_config('session_replication_role', 'origin', false))")


def committed(lite: SupabaseLite, name: str) -> int:
    """The number of a run's events that changed their employee and are SUCCESS in the ledger."""
    changed = query(lite, f"select to_jsonb(count(*)) from public.employees where first_name = '{name}'")
    done = query(
        lite,
        "select to_jsonb(count(*)) from public.integration_sync_log where status = 'SUCCESS' and outcome = 'synced'"
        f" and request_data -> 'names' ->> 'first_name' = '{name}'",
    )
    return min(int(changed), int(done))


def query(lite: SupabaseLite, statement: str) -> int | str:
    """Return the jsonb of a query with one row and one column. Raise httpx.HTTPError if the query fails."""
    headers = {"apikey": lite.service_role_key, "Authorization": f"Bearer {lite.service_role_key}"}
    url = f"{lite.url}/rest/v1/rpc/test_query"
    response = httpx.post(url, headers=headers, json={"p_sql": statement}, timeout=60).raise_for_status().json()
    assert isinstance(response, int | str)  # noqa: S101 (the queries of this module return no other type)
    return response
