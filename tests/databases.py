"""A test's own database goes with the test: thousands of them, 10 MB each, would fill a disk."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo


@contextmanager
def dropped_afterwards(url: str) -> Iterator[str]:
    """Yields the URL; then drops its database, whoever is still connected to it."""
    yield url
    name = str(conninfo_to_dict(url)["dbname"])
    with (
        suppress(psycopg.OperationalError),  # the test has stopped the server
        psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection,
    ):
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
