"""Databases that one test after another uses, because new databases and new connections cost most of a test's time.

A test finds such a database as a new one: the same rows, numbers that begin at 1, no other clients, and connections
with their default settings. A database whose schema, grants or settings differ after a test is not used again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.abc import Query
from psycopg.rows import dict_row, tuple_row
from psycopg.types.json import Jsonb

from webhook_service.db.direct import Connection, DirectDatabase

USES = 40
"""The number of tests that use a database. Its files still contain the rows of all of them."""

MOST_ROWS = 1000
"""A database from which more rows must be deleted is not used again."""

CATALOG_CHANGES: LiteralString = """
select relname, pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid)
  from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' and not relisshared
"""
"""Counts the changes of each catalog of a database, so of everything in it but its rows."""

SETTINGS: LiteralString = """
select
  (select (count(*), max(xmin::text::bigint))::text from pg_db_role_setting),
  (select xmin::text from pg_database where datname = current_database()),
  (select sum(hashtext(oid || ' ' || reltuples)) from pg_class
    where relkind = 'r' and relnamespace <> 'pg_catalog'::regnamespace)
"""
"""Identifies the changes of the catalogs that all databases share, and the changes that PostgreSQL does not count: the
number of rows that `analyze` found in each table, by which the planner chooses.
"""

CATALOG: LiteralString = "select md5(string_agg(md5(t::text), '' order by md5(t::text))) from pg_catalog.{} as t"
"""Digests the rows of a catalog. Rows that were written again with the same values do not change it."""

CLIENTS: LiteralString = """
select pid from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""

TABLES: LiteralString = "select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|information_schema)'"

NUMBERS: LiteralString = """
select s.seqrelid::bigint, s.seqstart, pg_sequence_last_value(s.seqrelid) from pg_sequence s
"""

INSERT: LiteralString = "insert into {0} overriding system value select * from jsonb_populate_recordset(null::{0}, %s)"

FORGET: LiteralString = (
    "reset session authorization; reset all; unlisten *; discard temp;"
    " select pg_advisory_unlock_all(), pg_stat_force_next_flush()"
)


class Session(psycopg.Connection[Any]):
    """A connection of tests, which can forget what a test has set."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._callbacks: list[Callable[[Any], None]] = []

    def add_notice_handler(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)
        super().add_notice_handler(callback)

    def forget(self) -> None:
        """Make the session as it was when it began."""
        while self._callbacks:
            self.remove_notice_handler(self._callbacks.pop())
        self.rollback()
        self.autocommit, self.row_factory, self.prepare_threshold = True, dict_row, 5
        self.execute(FORGET, prepare=False)


class KeptConnections(DirectDatabase):
    """The service's database port, which takes its connections from `kept`, and puts them back when it is closed."""

    def __init__(self, url: str, kept: list[Connection]) -> None:
        super().__init__(url)
        self._kept = kept

    def _connect(self) -> Connection:
        return self._kept.pop() if self._kept else super()._connect()

    def close(self) -> None:
        while (connection := self._idle.take()) is not None:
            self._kept.append(connection)
        super().close()


class Contents:
    """The rows and catalogs of a database before its first test: those of the database of which it is a copy."""

    def __init__(self, url: str) -> None:
        with begin(url) as session:
            self.catalogs = {catalog: digest(session, catalog) for catalog, _ in read(session, CATALOG_CHANGES)}
            tables = [sql.Identifier(*name) for name in read(session, TABLES)]
            numbers = read(session, NUMBERS)
            self.first_rows = [(table, rows) for table in tables if (rows := rows_of(session, table)) is not None]
        filled = [table for table, _ in self.first_rows]
        self.empty = sql.SQL(";").join(
            sql.SQL("delete from {}").format(table) for table in tables if table not in filled
        )
        self.numbers = sql.SQL("select ") + sql.SQL(", ").join(
            sql.SQL("setval({}::oid, {}, {})").format(sequence, start if last is None else last, last is not None)
            for sequence, start, last in numbers
        )


class KeptDatabase:
    """A database that one test uses at a time."""

    def __init__(self, url: str, contents: Contents) -> None:
        self.url = url
        self.sessions = [begin(url)]
        self.connections: list[Connection] = []
        self._contents = contents
        self._uses = 0
        self._changes = self._catalog_changes()
        self._settings = self._read(SETTINGS)

    def restore(self) -> bool:
        """Make the database as it was for its first test. Return whether this was possible."""
        self._uses += 1
        with suppress(psycopg.Error):
            return self._uses < USES and self._is_unchanged() and self._restore_rows()
        return False

    def close(self) -> None:
        for connection in (*self.sessions, *self.connections):
            connection.close()

    def _is_unchanged(self) -> bool:
        if not self.sessions:  # the test has closed the only one
            self.sessions.append(begin(self.url))
        for session in self.sessions:
            session.forget()
        for connection in self.connections:
            connection.execute(FORGET)
        own = {connection.info.backend_pid for connection in (*self.sessions[1:], *self.connections)}
        return (
            {pid for (pid,) in self._read(CLIENTS)} == own
            and self._read(SETTINGS) == self._settings
            and self._has_the_same_catalogs()
        )

    def _has_the_same_catalogs(self) -> bool:
        """Whether the last test left the schema as it found it. It may have disabled a trigger and enabled it again."""
        changes = self._catalog_changes()
        changed = [catalog for catalog in changes if changes[catalog] != self._changes[catalog]]
        self._changes = changes
        return all(digest(self.sessions[0], catalog) == self._contents.catalogs[catalog] for catalog in changed)

    def _catalog_changes(self) -> dict[str, int]:
        return dict(self._read(CATALOG_CHANGES))

    def _restore_rows(self) -> bool:
        session = self.sessions[0]
        deleted = 0
        with session.transaction():
            session.execute("set local session_replication_role = replica")
            cursor = session.execute(self._contents.empty)
            for result in cursor.results():
                deleted += result.rowcount
            for table, rows in self._contents.first_rows:
                if rows_of(session, table) != rows:
                    session.execute(sql.SQL("delete from {}").format(table))
                    session.execute(sql.SQL(INSERT).format(table), [Jsonb(rows)])
            session.execute(self._contents.numbers)
        return deleted <= MOST_ROWS

    def _read(self, query: LiteralString) -> list[tuple[Any, ...]]:
        return read(self.sessions[0], query)


lent: dict[str, KeptDatabase] = {}
"""The kept databases that a test uses now, by URL."""


@contextmanager
def session_of(url: str) -> Iterator[Session]:
    """Yield a connection in autocommit, whose rows are dictionaries."""
    kept = lent[url].sessions if url in lent else []
    session = kept.pop() if kept else begin(url)
    try:
        yield session
    finally:
        if url in lent and not session.closed:
            with suppress(psycopg.OperationalError):  # the test has ended its process
                session.forget()  # a role, for example, which Auth's stand-in sets
        if url in lent and not session.closed:
            kept.append(session)
        else:
            session.close()


@contextmanager
def database_of(url: str) -> Iterator[DirectDatabase]:
    """Yield the service's port."""
    database = KeptConnections(url, lent[url].connections) if url in lent else DirectDatabase(url)
    try:
        yield database
    finally:
        database.close()


def begin(url: str) -> Session:
    session = Session.connect(url, autocommit=True, row_factory=dict_row)
    assert isinstance(session, Session)
    return session


def rows_of(session: Session, table: sql.Identifier) -> Any:
    """Return the rows of a table as JSON, or None if it is empty."""
    return read(session, sql.SQL("select jsonb_agg(to_jsonb(t) order by t::text) from {} as t").format(table))[0][0]


def digest(session: Session, catalog: str) -> str | None:
    """Return a digest of a catalog's rows, which is None if it is empty."""
    value: str | None = read(session, sql.SQL(CATALOG).format(sql.Identifier(catalog)))[0][0]
    return value


def read(session: Session, query: Query) -> list[tuple[Any, ...]]:
    with session.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query).fetchall()
