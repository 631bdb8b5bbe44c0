"""A backlog of pending events does not slow down each batch."""

import pytest
from psycopg.types.json import Jsonb

from tests.employees import Connection
from tests.integration.db.test_plans import AT_MOST, PROCESS, rows_read, works
from webhook_service.events import Via

DONE = """
insert into integration_sync_log
  (event_id, direction, operation, auth_user_id, version, via, status, outcome, completed_at)
select 'old-' || n, 'inbound', 'UPDATE', md5(n::text)::uuid, 1, 'webhook', 'SUCCESS', 'unchanged', now()
  from generate_series(1, 1000) as n
"""
BACKLOG = """
insert into integration_sync_log (event_id, direction, operation, auth_user_id, version, via, next_attempt_at)
select format('pending-%s-%s', version, n), 'inbound', 'UPDATE', md5(n::text)::uuid, version, 'capture', now()
  from generate_series(2, 7) as version, generate_series(1, 2000) as n
"""
FAILED = """
insert into integration_sync_log
  (event_id, direction, operation, auth_user_id, version, via, status, outcome, error_message)
select 'failed-' || n, 'inbound', 'UPDATE', md5(n::text)::uuid, 2, 'webhook', 'FAILED', 'ambiguous', 'several employees'
  from generate_series(1, 5000) as n
"""


@pytest.mark.parametrize("via", [Via.WEBHOOK, Via.RELAY])
def test_a_backlog_is_not_read_whole(connection: Connection, via: Via) -> None:
    """A batch reads the events of its own users, although the statistics say that no event is pending."""
    connection.execute(DONE)
    connection.execute("analyze integration_sync_log")
    connection.execute(BACKLOG)
    with connection.transaction(force_rollback=True):
        before = rows_read(connection)
        connection.execute(PROCESS, [Jsonb(works("new", 8, via)), False, False])
        assert rows_read(connection) - before <= AT_MOST


def test_failed_events_are_not_read_whole(connection: Connection) -> None:
    """When an e-mail becomes free, only the actions that waited for an e-mail are read, not all failed events."""
    connection.execute(DONE)
    connection.execute("analyze integration_sync_log")
    connection.execute(FAILED)
    with connection.transaction(force_rollback=True):
        before = rows_read(connection)
        connection.execute("select auth_sync_email_freed_v1('ann@example.com')")
        assert rows_read(connection) - before <= AT_MOST
