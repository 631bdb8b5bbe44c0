"""The feed remembers the rows of the ledger that have not ended, and reads them again when they have."""

from tests.employees import Connection
from tests.integration.subscribers.feeding import feed, made_from, subscribe, types, write_entry
from webhook_service.ports import Database

END = """
update integration_sync_log set status = 'SUCCESS', outcome = %s, completed_at = now(), next_attempt_at = null
 where id = any (%s)
"""

INTENT = """
insert into integration_sync_log (event_id, direction, operation, employee_id, request_data, via, next_attempt_at)
values ('intent', 'outbound', 'create_auth_user', 1, '{}', 'admin', now()) returning id
"""

FULL = """
insert into integration_sync_log (event_id, direction, operation, via, status, outcome, error_message, completed_at)
select 'full-' || n, 'inbound', 'UPDATE', 'webhook', case when n % 10 = 0 then 'FAILED' else 'SUCCESS' end,
       case when n % 10 = 0 then 'ambiguous' else 'unchanged' end, case when n % 10 = 0 then 'e' end,
       case when n % 10 <> 0 then now() end
  from generate_series(1, 20000) as n
"""
READ = """
select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'integration_sync_log'
"""


def open_rows(connection: Connection) -> int:
    return connection.execute("select from auth_sync_feed_open").rowcount


def test_a_row_that_ends_later_is_delivered_then(database: Database, connection: Connection) -> None:
    """A pending row that the feed has passed is delivered when it has ended."""
    subscribe(database)
    first = write_entry(connection, 1, outcome=None)
    write_entry(connection, 2)
    assert feed(database) == 1
    connection.execute(END, ["synced", [first]])
    assert (feed(database), feed(database)) == (1, 0)


def test_rows_that_ended_come_before_new_ones(database: Database, connection: Connection) -> None:
    """If more rows have ended than one pass reads, no newer row about the same employee is read before them."""
    subscribe(database)
    ids = [write_entry(connection, employee, outcome=None) for employee in (1, 2)]
    feed(database)
    connection.execute(END, ["synced", ids])
    ids.append(write_entry(connection, 2))
    while feed(database, 1):
        pass
    assert made_from(connection) == [f"event-{each}" for each in ids]


def test_an_undone_creation_is_not_remembered(database: Database, connection: Connection) -> None:
    """An intent that was undone is forgotten, and remembered again if it is opened again."""
    subscribe(database)
    [intent] = connection.execute(INTENT)
    feed(database)
    connection.execute(END, ["undone", [intent["id"]]])
    assert (open_rows(connection), feed(database), open_rows(connection)) == (1, 0, 0)
    database.call("auth_sync_reopen_v1", p_event_id="intent")
    assert (feed(database), open_rows(connection)) == (0, 1)
    connection.execute(END, ["created", [intent["id"]]])
    feed(database)
    assert (types(connection), open_rows(connection)) == (["login.created", "employee.linked"], 0)


def test_open_rows_do_not_make_a_pass_read_the_ledger(database: Database, connection: Connection) -> None:
    """However many rows need attention, a pass reads these rows, and not the others of the ledger."""
    subscribe(database)
    connection.execute("set session_replication_role = replica")
    connection.execute(FULL)
    feed(database, limit=20000)
    connection.execute("analyze integration_sync_log, auth_sync_feed_open")
    with connection.transaction():
        connection.execute("select auth_sync_read_feed_v1(10)")
        [read] = connection.execute(READ)
    assert open_rows(connection) == 2000
    assert read["rows"] <= 2 * 2000
