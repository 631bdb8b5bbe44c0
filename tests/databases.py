"""Databases of tests, which are dropped in batches, because thousands of them with 10 MB each would fill a disk."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

BATCH = 20
"""Databases of one server that wait to be dropped."""

_unused: defaultdict[str, list[str]] = defaultdict(list)
"""The databases of each server that no test needs any more, oldest first."""


@contextmanager
def dropped_afterwards(url: str) -> Iterator[str]:
    """Yield the URL. Its database is dropped with one of the next batches, even if clients are still connected."""
    yield url
    server, database = make_conninfo(url, dbname="postgres"), str(conninfo_to_dict(url)["dbname"])
    if len(_unused[server]) >= BATCH:
        drop(server, _unused.pop(server))
    _unused[server].append(database)  # later, because a drop waits 100 ms for a connection that has just ended


def drop(server: str, databases: list[str]) -> None:
    """Drop these databases. Do nothing if a test has stopped the server."""
    with suppress(psycopg.OperationalError), psycopg.connect(server, autocommit=True) as connection:
        for database in databases:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))
