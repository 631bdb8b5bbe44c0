"""The Database port over a direct PostgreSQL connection (psycopg, pooled)."""

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout

from webhook_service.db.deadline import Deadline
from webhook_service.db.sqlstate import error_for
from webhook_service.errors import DatabaseError, Unavailable
from webhook_service.events import Json

POOL_SIZE = 4
STATEMENT_TIMEOUT = 3000
"""Milliseconds; the server's own limit on a call."""
CALL_TIMEOUT = 3.5
"""Seconds; ours, for a server that does not even keep its own."""


class DirectDatabase:
    """Calls SQL functions over a pool of connections, which it opens as they are needed."""

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE, call_timeout: float = CALL_TIMEOUT) -> None:
        # No prepared statements, and a time limit per transaction: a pooler in transaction mode may stand between.
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=pool_size,
            open=False,
            timeout=call_timeout,
            reconnect_timeout=0,  # after an outage: no attempt of minutes ago to wait for
            kwargs={"autocommit": True, "prepare_threshold": None, "connect_timeout": 2, "tcp_user_timeout": 4000},
        )
        self._deadline = Deadline(pool_size, call_timeout)

    def call(self, function: str, **params: Json) -> Json:
        self._pool.open()
        return self._deadline.run(self._call, function, params)

    def _call(self, function: str, params: dict[str, Json]) -> Json:
        query = sql.SQL("select public.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in params
            ),
        )
        values = {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in params.items()}
        try:
            with self._pool.connection() as connection, connection.pipeline(), connection.transaction():
                connection.execute(f"set local statement_timeout = {STATEMENT_TIMEOUT:d}")
                row = connection.execute(query, values).fetchone()
        except PoolTimeout as error:
            raise Unavailable("database_unreachable", "The database cannot be reached.") from error
        except psycopg.Error as error:
            if error.sqlstate is None and isinstance(error, psycopg.DataError):  # refused before it was sent
                raise DatabaseError("database_error", "A parameter is no PostgreSQL text.") from error
            raise error_for(error.sqlstate) from error
        return row[0] if row is not None else None

    def close(self) -> None:
        self._pool.close()
        self._deadline.close()
