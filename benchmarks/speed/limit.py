"""The limit of the database, for which pgbench calls SQL functions with one event per call."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.speed import processes
from benchmarks.speed.database import BenchDatabase, embedded_binary, newest_row, require_changed
from benchmarks.speed.events import Mix, events
from tests.in_loop import CalledSoon
from webhook_service.events import Delivery, Json
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.payload import parse
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy

DATA = (
    '{"email": "jane.doe@example.com", "email_confirmed": true, "employee_number": null, "is_anonymous": false,'
    ' "banned_until": null, "deleted_at": null, "names": {"first_name": "Jane", "last_name": "Doe"}}'
)
"""The data that the product keeps of an event."""

PLAIN = r"""\set n random(1, {employees})
select bench.{function}(gen_random_uuid()::text, md5((:n)::text)::uuid, 'Pg' || (:n)::text, '{data}');
"""
OWN = "select public.{call} from bench.works where n = (select nextval('bench.next_work'));\n"


@dataclass(frozen=True, slots=True)
class Called:
    """The result of one run of pgbench, in calls a second and PostgreSQL's CPU seconds for each call."""

    rate: float
    database_cpu: float


def pgbench(database: BenchDatabase, script: str, clients: int, count: int, mode: str) -> Called:
    """Run pgbench. Raise RuntimeError if a call failed."""
    binary = embedded_binary("pgbench")
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        each = max(1, count // clients)
        options = ["-n", "-M", mode, "-c", str(clients), "-j", "2", "-t", str(each), "-f", file.name]
        before = processes.tree_cpu_seconds(database.postmaster)
        done = subprocess.run(
            [binary, *options, "-h", str(database.folder), "-U", "postgres", "postgres"], capture_output=True, text=True
        )
        cpu = processes.tree_cpu_seconds(database.postmaster) - before
    found = re.search(r"tps = ([0-9.]+) \(without initial", done.stdout)
    if done.returncode or found is None or "number of failed transactions: 0 " not in done.stdout:
        raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr}")
    return Called(float(found[1]), cpu / (each * clients))


def plain(database: BenchDatabase, function: str, clients: int, count: int, mode: str) -> Called:
    """Call `bench.<function>`, which writes one row of a ledger and one employee."""
    table = {"apply": "bench.ledger", "apply_to_product": "public.integration_sync_log"}[function]
    before = database.number(f"select count(*) from {table}")
    script = PLAIN.format(employees=database.employees, function=function, data=DATA)
    called = pgbench(database, script, clients, count, mode)
    if database.number(f"select count(*) from {table}") - before != max(1, count // clients) * clients:
        raise RuntimeError("the ledger does not hold a row for each call")
    return called


class Recorder(CalledSoon):
    """A database that only records the product's call, so that the limit makes the same call as the product."""

    def __init__(self) -> None:
        self.function = ""
        self.parameters: dict[str, Json] = {}

    def call(self, function: str, **params: Json) -> Json:
        self.function, self.parameters = function, params
        return {"results": []}

    def close(self) -> None:
        pass


def own(database: BenchDatabase, clients: int, count: int, mode: str, name: str) -> Called:
    """Call the product's SQL function with one event per call."""
    count = max(1, count // clients) * clients
    recorder, policy = Recorder(), Policy()
    with psycopg.connect(database.url) as connection, connection.cursor() as cursor:
        cursor.execute("truncate bench.works")
        cursor.execute("select setval('bench.next_work', 1, false)")
        with cursor.copy("copy bench.works from stdin") as copy:
            for number, event in enumerate(events(database, Mix.UPDATES, count, name), start=1):
                delivery = Delivery(event.event_id, datetime.now(UTC), event.body)
                process_batch(recorder, [decide(parse(delivery, policy.name_fields), policy)], policy)
                works = next(value for value in recorder.parameters.values() if is_works(value))
                copy.write_row([number, Jsonb(works)])
        script = OWN.format(call=call_of(recorder, sql.Identifier("works")).as_string(connection))
    database.execute("vacuum analyze bench.works")
    after = newest_row(database)
    called = pgbench(database, script, clients, count, mode)
    require_changed(database, after, name, count)
    return called


def is_works(value: Json) -> bool:
    return isinstance(value, list | dict)


def call_of(recorder: Recorder, works: sql.Composable) -> sql.Composed:
    """The recorded call as SQL, with `works` in place of the events."""
    arguments = [
        sql.SQL("{} => {}").format(sql.Identifier(name), works if is_works(value) else sql.Literal(value))
        for name, value in recorder.parameters.items()
    ]
    return sql.SQL("{}({})").format(sql.Identifier(recorder.function), sql.SQL(", ").join(arguments))


def own_query() -> str:
    """A query that calls the product's SQL function as the product does. Its parameter $1 has the events as JSON."""
    recorder = Recorder()
    process_batch(recorder, [], Policy())
    return f"select public.{call_of(recorder, sql.SQL('$1::jsonb')).as_string()} as answer"
