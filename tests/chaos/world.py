"""The environment of a chaos run, with a database, a faulty pg_net, a web process, two relays, and a writer."""

import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import wait_for
from tests.auth_traffic import SECRET
from tests.chaos.processes import RELAY, WEB, Killable, answers
from tests.chaos.writer import Outages, Writer
from tests.debian_postgres import Cluster
from tests.pg_net_double import Mischief, Worker
from webhook_service.db import embedded, migrate

RELAYS = ("relay-1", "relay-2")
GATE = 8150
"""The advisory lock of tests/chaos/world.sql."""
AT_THE_GATE = """
select application_name as name from pg_stat_activity
 where application_name like %s || '%%' and wait_event_type = 'Lock' and wait_event = 'advisory'
"""
END_LEASES = """
update public.integration_sync_log set leased_until = now() - interval '1 second'
 where id in (select id from public.integration_sync_log
               where direction = 'inbound' and leased_until > now() and lease is not null for update skip locked)
"""


def build(url: str, install: Callable[[str], object] = migrate.migrate) -> None:
    """Create all objects in a database that has tests/supabase_doubles.sql, and do not set the sender's URL.

    `install` gets the URL of the database, and creates the objects of the service.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        embedded.create_auth_schema(connection)
        install(url)
        connection.execute(files("tests.chaos").joinpath("world.sql").read_bytes())


def send_to(url: str, receiver: str, relay_after: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select public.auth_sync_send_to(%s, %s)", [f"{receiver}/webhook/auth", SECRET])
        connection.execute("update public.auth_sync_settings set relay_after = %s::interval", [relay_after])


@dataclass(slots=True)
class World:
    """The running processes. The names of the victims are web, relay-1, relay-2, pg_net and postgres."""

    cluster: Cluster
    url: str
    processes: dict[str, Killable]
    worker: Worker
    writer: Writer
    outages: Outages
    web_url: str

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(
            self.url, autocommit=True, row_factory=dict_row, connect_timeout=5, application_name="test"
        )

    def kill(self, name: str) -> None:
        if name == "postgres":
            self.outages.count += 1
            self.cluster.kill()
        elif name == "pg_net":
            self.worker.kill()
        else:
            self.processes[name].kill()

    def start(self, name: str) -> None:
        if name == "postgres":
            self.cluster.start()
            self.outages.count += 1
        elif name == "pg_net":
            self.worker.start()
        else:
            self.processes[name].start()

    def end_leases(self) -> None:
        """End all leases, so that no relay waits half a minute for the lease of a killed process.

        Other tests prove that a lease ends by itself and another relay then takes over its row. If a
        relay still processes such a row, it competes with the next relay, and this must not change the result.
        """
        with self.connect() as connection:
            connection.execute(END_LEASES)

    def kill_at(self, point: str, kind: str, victim: str) -> str:
        """Kill a process of this kind (web or relay) that waits at this point, or PostgreSQL.

        Return the victim's name. Afterwards the gate is open, and the victim is not restarted.
        """
        with self.connect() as connection:
            connection.execute("select pg_advisory_lock(%s)", [GATE])
            connection.execute("insert into chaos.gate values (%s, %s)", [point, kind])
            condition = f"{kind} to reach: {point}"
            found = wait_for(condition, lambda: connection.execute(AT_THE_GATE, [kind]).fetchone(), seconds=60)
            killed = str(found["name"]) if victim == kind else victim
            self.kill(killed)
            with suppress(psycopg.OperationalError):  # PostgreSQL was killed, and the lock has ended
                connection.execute("delete from chaos.gate")
                connection.execute("select pg_advisory_unlock(%s)", [GATE])
        return killed

    def open_gates(self) -> None:
        with self.connect() as connection:
            connection.execute("delete from chaos.gate")


@contextmanager
def world(cluster: Cluster, url: str, folder: Path, *, seed: int, drop: float, duplicate: float) -> Iterator[World]:
    """Start all processes and a paused writer.

    At the end, stop all of them except the cluster. Logs are in `folder`.
    """
    port = quiet_port(random.Random(f"{seed}-port"))
    web_url = f"http://127.0.0.1:{port}"
    build(url)
    send_to(url, web_url, "1 second")
    web = {"HOST": "127.0.0.1", "PORT": str(port), "RELAY": "off", "WEB_CONCURRENCY": "1"}
    commands: dict[str, tuple[Sequence[str], dict[str, str]]] = {"web": (WEB, web)} | {
        name: (RELAY, {}) for name in RELAYS
    }
    processes = {
        name: Killable(command, settings_for(f"{url}?application_name={name}") | more, folder / f"{name}.log")
        for name, (command, more) in commands.items()
    }
    outages = Outages()
    worker = Worker(f"{url}?application_name=pg_net", Mischief(seed=seed, interval=0.2, drop=drop, duplicate=duplicate))
    created = World(cluster, url, processes, worker, Writer(url, outages, seed), outages, web_url)
    try:
        for name in (*processes, "pg_net"):
            created.start(name)
        wait_for("the web process", lambda: answers(web_url), seconds=60)
        created.writer.start()
        yield created
    finally:
        created.writer.end()
        for name in (*processes, "pg_net"):
            created.kill(name)


def quiet_port(dice: random.Random) -> int:
    """Return a port that stays free after its process was killed.

    The system uses no port below 32768 for outgoing connections.
    """
    while True:
        port = dice.randint(20_000, 32_000)
        with suppress(OSError), socket_on(port):
            return port


def socket_on(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))
