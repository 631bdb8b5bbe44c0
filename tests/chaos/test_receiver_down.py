"""A long outage of the receiver, while auth.users changes."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import wait_for
from tests.auth_stand_in import Auth
from tests.chaos.processes import RELAY, WEB, Killable
from tests.chaos.world import build, quiet_port, send_to
from tests.debian_postgres import Cluster
from tests.pg_net_double import Mischief, working
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy

pytestmark = pytest.mark.campaign

PEOPLE = 2500
SINGLE = 50
"""The number of further people who are changed one by one, as by Supabase Auth. All other people change in bulk."""

IN_BULK = (
    """
insert into auth.users (id, email, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
select md5('person ' || n)::uuid, 'person-' || n || '@example.com', '{}',
       jsonb_build_object('first_name', 'First ' || n), now(), now()
  from generate_series(1, 2500) as n
""",
    "update auth.users set email_confirmed_at = now(), updated_at = now() where email_confirmed_at is null",
    "update auth.users set email = 'moved-' || email, updated_at = now() where email not like 'moved-%'",
    """
update auth.users set banned_until = now() + interval '1 year', updated_at = now()
 where get_byte(uuid_send(id), 0) < 128
""",
    "delete from auth.users where get_byte(uuid_send(id), 0) between 128 and 191",
    """
update auth.users set email = md5(email), raw_user_meta_data = '{}', deleted_at = now(), updated_at = now()
 where get_byte(uuid_send(id), 0) >= 192
""",
)
EMPLOYEES = """
insert into public.employees (email) select 'person-' || n || '@example.com' from generate_series(1, %s) as n
"""
WRONG = """
with expected as (
  select employee_id, n, md5('person ' || n)::uuid as user_id
    from public.employees, substring(email from '[0-9]+') as n)
select e.*
  from expected x join public.employees e using (employee_id)
  left join auth.users u on u.id = x.user_id and u.deleted_at is null
 where e.email is distinct from 'moved-person-' || x.n || '@example.com'
    or e.first_name is distinct from 'First ' || x.n
    or e.auth_user_id is distinct from u.id
    or e.orphaned_auth_user_id is distinct from case when u.id is null then x.user_id end
"""
OPEN = "select 1 from public.integration_sync_log where direction = 'inbound' and status <> 'SUCCESS'"
APPLIED_OTHERWISE_THAN_ONCE = """
select event_id from public.integration_sync_log where direction = 'inbound' and attempts <> 1
union all
(select employee_id::text from (
  select employee_id, changes from chaos.changed
  except all select employee_id, changes from public.integration_sync_log where changes <> '{}') as not_in_ledger)
union all
(select employee_id::text from (
  select employee_id, changes from public.integration_sync_log where changes <> '{}'
  except all select employee_id, changes from chaos.changed) as not_applied)
"""
QUEUE = "net.http_request_queue"
Connection = psycopg.Connection[dict[str, Any]]


def test_ten_thousand_changes_while_the_receiver_is_down(
    supabase_cluster: Cluster, new_supabase_database: Callable[..., str], tmp_path: Path
) -> None:
    """All changes during an outage of web and relay are applied exactly once after it, and no difference is left."""
    url = supabase_cluster.url(new_supabase_database())
    port = quiet_port(random.Random())
    build(url)
    send_to(url, f"http://127.0.0.1:{port}", "1 second")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute(EMPLOYEES, [PEOPLE + SINGLE])
        with working(url, Mischief(interval=0.1)):
            change_everything(connection, url)
            wait_for("pg_net to have tried all", lambda: count(connection, QUEUE) == 0, seconds=300)
        changes = connection.execute(OPEN).rowcount
        assert changes >= 10_000
        assert count(connection, "chaos.changed") == 0

        with up(url, port, tmp_path):
            wait_for("all events", lambda: connection.execute(f"{OPEN} limit 1").fetchone() is None, seconds=300)

        assert connection.execute(WRONG).fetchall() == []
        assert connection.execute(APPLIED_OTHERWISE_THAN_ONCE).fetchall() == []
        assert count(connection, "public.integration_sync_log") == changes
    assert differences(url) == {}


def change_everything(connection: Connection, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as auths:
        auth = Auth(auths)
        for n in range(PEOPLE + 1, PEOPLE + SINGLE + 1):
            user = connection.execute("select md5('person ' || %s::text)::uuid as id", [n]).fetchone()
            assert user is not None
            auth.sign_up(f"person-{n}@example.com", user_metadata={"first_name": f"First {n}"}, id=user["id"])
            auth.confirm(user["id"])
    for statement in IN_BULK:
        connection.execute(statement.encode())


@contextmanager
def up(url: str, port: int, folder: Path) -> Iterator[None]:
    """Run the web process and a relay."""
    web = {"HOST": "127.0.0.1", "PORT": str(port), "RELAY": "off"}
    started = [
        Killable(WEB, settings_for(url) | web, folder / "web.log"),
        Killable(RELAY, settings_for(url), folder / "relay.log"),
    ]
    try:
        for process in started:
            process.start()
        yield
    finally:
        for process in started:
            process.kill()


def count(connection: Connection, table: str) -> int:
    found = connection.execute(f"select count(*) as n from {table}".encode()).fetchone()  # noqa: S608
    assert found is not None
    return int(found["n"])


def differences(url: str) -> dict[str, int]:
    database = DirectDatabase(url)
    try:
        return dict(reconcile(database, Policy(), requested_by="test", dry_run=True).differences)
    finally:
        database.close()
