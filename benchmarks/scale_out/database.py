"""The PostgreSQL of the hosts: Debian's, with the objects of a Supabase project, and durable unless a test says so."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import chown

from psycopg import sql

from tests.debian_postgres import ACCOUNT, Cluster, installed
from tests.supabase_postgres import DOUBLES, execute
from webhook_service.db import embedded

FOR_THE_HOSTS = """
listen_addresses = '127.0.0.1,{address}'
max_connections = 300
tcp_keepalives_idle = 10
"""
DURABLE = """
fsync = on
autovacuum = on
shared_buffers = 1GB
max_wal_size = 8GB
dynamic_shared_memory_type = posix
"""


@contextmanager
def cluster(address: str, addresses: str, *, is_durable: bool = True) -> Iterator[Cluster]:
    """A started server that listens on `address` too, for clients of the network `addresses`. It has no tables.

    Raises RuntimeError if PostgreSQL is not installed.
    """
    programs = installed()
    if programs is None:
        raise RuntimeError("PostgreSQL is missing: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="ws-scale-") as name:
        folder = Path(name)
        if ACCOUNT is not None:
            chown(folder, ACCOUNT, ACCOUNT)
        made = Cluster(programs, folder)
        made.create()
        with (folder / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(FOR_THE_HOSTS.format(address=address) + (DURABLE if is_durable else ""))
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {addresses} trust\n")
        made.start()
        try:
            execute(made.url(), sql.SQL(embedded.supabase_roles()))
            execute(made.url(), sql.SQL(DOUBLES.read_text("utf-8")))
            yield made
        finally:
            made.stop()
