"""One update links all imported employees whose auth users exist. The service cannot make an import fail."""

from uuid import UUID

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import everything, inbound, relay_all
from webhook_service.ports import Database

MANY = 5000
LINKED = "select count(*) as n from employees where auth_user_id is not null"
KNOWN = """
insert into auth_user_state (auth_user_id, version, email, email_confirmed, fields)
select gen_random_uuid(), 1, 'user' || n || '@example.com', true, '{"first_name": ["Jane", 1, 1]}'
  from generate_series(1, %s) as n
"""
IMPORT = "insert into employees (email) select 'user' || n || '@example.com' from generate_series(1, %s) as n"
UPSERT = """
insert into employees (employee_id, email) select n, 'user' || n || '@example.com' from generate_series(1, 10) as n
    on conflict (employee_id) do update set email = excluded.email
"""


def count(connection: Connection, query: str) -> int:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return int(found["n"])


@pytest.fixture
def ten(database: Database, auth: Auth) -> list[UUID]:
    """Create ten known auth users without employees."""
    users = [auth.admin_create(f"user{number}@example.com") for number in range(1, 11)]
    assert relay_all(database) == {"unmatched": 10}
    return users


def test_a_bulk_import_is_linked_at_once(connection: Connection) -> None:
    """One update links the five thousand employees of one statement. The ledger gets one row for each."""
    connection.execute(KNOWN, [MANY])
    connection.execute(
        "create table updates (rows bigint);"
        "create function note() returns trigger language plpgsql as"
        " $$ begin insert into public.updates select count(*) from after_rows; return null; end $$;"
        "create trigger note after update on employees referencing new table as after_rows"
        " for each statement execute function note()"
    )
    connection.execute(IMPORT, [MANY])
    assert count(connection, LINKED) == MANY
    assert connection.execute("select rows from updates").fetchall() == [{"rows": MANY}]
    assert {(event["status"], event["outcome"]) for event in inbound(connection)} == {("SUCCESS", "linked")}
    assert len(inbound(connection)) == MANY
    assert count(connection, "select count(*) as n from employees where first_name = 'Jane'") == MANY


def test_a_bulk_change_of_e_mails_is_linked_at_once(connection: Connection) -> None:
    """If a company changes its domain in employees, the auth users who had signed up with new addresses are linked."""
    connection.execute(KNOWN, [500])
    connection.execute(
        "insert into employees (email) select 'user' || n || '@old.example.com' from generate_series(1, 500) n"
    )
    connection.execute("update employees set email = replace(email, '@old.', '@')")
    assert count(connection, LINKED) == 500


def test_a_copy_is_linked(connection: Connection, ten: list[UUID]) -> None:
    """COPY, the fastest import, links its employees."""
    with connection.cursor().copy("copy employees (email) from stdin") as copy:
        for number in range(1, 11):
            copy.write_row([f"user{number}@example.com"])
    assert count(connection, LINKED) == len(ten)


def test_an_upsert_is_linked(connection: Connection, ten: list[UUID]) -> None:
    """A nightly import by INSERT ... ON CONFLICT DO UPDATE links new and corrected employees."""
    for number in range(1, 6):
        hire(connection, f"typo{number}@example.com", employee_id=number)
    connection.execute(UPSERT)
    assert count(connection, LINKED) == len(ten)


def test_the_same_import_again_changes_nothing(connection: Connection, ten: list[UUID]) -> None:
    """If the same import runs the next night, it finds the links and changes nothing."""
    connection.execute(UPSERT)
    before = everything(connection)
    connection.execute(UPSERT)
    assert everything(connection) == before


def test_a_refused_name_does_not_prevent_other_links(
    connection: Connection, database: Database, auth: Auth, ten: list[UUID]
) -> None:
    """If a constraint on employees refuses a name, the import succeeds and the relay links each employee separately."""
    auth.update_metadata(ten[3], {"first_name": "Robert'); drop table"})
    relay_all(database)
    connection.execute("alter table employees add constraint plain check (first_name ~ '^[A-Za-z]*$')")
    connection.execute(IMPORT, [10])
    assert count(connection, "select count(*) as n from employees") == 10
    relay_all(database)
    assert count(connection, LINKED) == 10
    assert {event["status"] for event in inbound(connection)} == {"SUCCESS"}


def test_a_refused_link_does_not_prevent_other_links(
    connection: Connection, database: Database, ten: list[UUID]
) -> None:
    """If a constraint refuses one link, the import succeeds and links all other employees. Only that event fails."""
    connection.execute("alter table employees add check (auth_user_id is null or email <> 'user4@example.com')")
    connection.execute(IMPORT, [10])
    assert count(connection, "select count(*) as n from employees") == 10
    assert relay_all(database) == {"linked": 9, "employee_rejected": 1}
    assert count(connection, LINKED) == 9


def test_an_import_does_not_wait_for_a_running_event(
    connection: Connection, database: Database, database_url: str, ten: list[UUID]
) -> None:
    """If another transaction holds one user's state, the relay links this employee. The import links all others."""
    with psycopg.connect(database_url) as other:
        other.execute("select from auth_user_state where auth_user_id = %s for update", [ten[3]])
        connection.execute("set lock_timeout = '1ms'")  # an import that had to wait would fail
        connection.execute(IMPORT, [10])
        assert count(connection, LINKED) == 9
    relay_all(database)
    assert count(connection, LINKED) == 10


@pytest.mark.parametrize(
    "damage",
    [
        "drop table integration_sync_log cascade",
        "drop table auth_user_state cascade",
        "alter table integration_sync_log add check (false) not valid",
        "drop function auth_sync_matches_v1, auth_sync_link_all_v1",
        "create or replace function auth_sync_link_all_v1(p_matches jsonb, p_cause text) returns void"
        " language plpgsql as $$ begin assert false; end $$",
    ],
    ids=["no ledger", "no state", "ledger refuses", "no functions", "assert"],
)
def test_a_broken_service_does_not_make_an_import_fail(connection: Connection, ten: list[UUID], damage: str) -> None:
    """The employees are imported even if the service's tables or functions are broken."""
    connection.execute(damage.encode())
    connection.execute(IMPORT, [10])
    assert count(connection, "select count(*) as n from employees") == 10


def test_a_locked_ledger_does_not_make_an_import_fail(
    connection: Connection, database_url: str, ten: list[UUID]
) -> None:
    """If the ledger is locked, the employees are imported, and reconciliation links them."""
    with psycopg.connect(database_url) as other:
        other.execute("lock table integration_sync_log in access exclusive mode")
        connection.execute(IMPORT, [10])
        assert count(connection, "select count(*) as n from employees") == 10


def test_an_import_without_auth_users_writes_no_row(connection: Connection, ten: list[UUID]) -> None:
    """Employees without auth users add no row to the ledger."""
    before = everything(connection, "integration_sync_log", "auth_user_state")
    connection.execute(
        "insert into employees (email) select 'nobody' || n || '@example.com' from generate_series(1, 50) n"
    )
    assert everything(connection, "integration_sync_log", "auth_user_state") == before


def test_an_import_as_a_role_without_privileges_is_linked(connection: Connection, ten: list[UUID]) -> None:
    """An importer that may only write employees links them, because the trigger runs with its owner's privileges."""
    connection.execute(
        "create role bulk_importer; grant all on employees to bulk_importer;"
        "alter table employees disable row level security"
    )
    connection.execute("set role bulk_importer")
    jane = hire(connection, "user1@example.com", employee_id=1)
    connection.execute("reset role")
    linked = employee(connection, jane)["auth_user_id"]
    connection.execute("drop owned by bulk_importer; drop role bulk_importer")
    assert linked == ten[0]


def test_an_import_after_single_changes_finds_each_row_by_its_key(connection: Connection) -> None:
    """A plan from small statements of the session does not make an import read an index again for each row."""
    for number in range(8):
        hire(connection, f"single{number}@example.com")
    with connection.transaction():
        connection.execute("insert into employees (email) select n || '@example.com' from generate_series(1, 500) as n")
        query = (
            "select sum(pg_stat_get_xact_tuples_returned(indexrelid)) as read from pg_stat_user_indexes"
            " where relname = 'employees' and indexrelname ~ 'auth_user_id'"
        )
        [found] = connection.execute(query).fetchall()
    assert found["read"] < 500
