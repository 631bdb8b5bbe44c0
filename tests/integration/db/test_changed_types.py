"""The owner of employees changes the type of a column after the installation."""

import pytest

from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.employees import Connection, employee, hire
from tests.integration.doctoring import examined, found
from tests.webhook_events import work_of
from webhook_service.db import migrate
from webhook_service.errors import MigrationError
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database


@pytest.mark.parametrize("new_type", ["bigint using employee_number::bigint", "varchar(20)", "numeric using 7"])
def test_a_number_of_another_type_still_links(
    database_url: str, database: Database, connection: Connection, new_type: str
) -> None:
    """An employee_number of a numeric type still links and is found, and the queries use its indexes."""
    jane = hire(connection, "jane@example.com", employee_number="7")
    connection.execute(f"alter table employees alter column employee_number type {new_type}".encode())
    migrate.migrate(database_url)
    metadata = {"employee_number": "7"}
    event = insert(JANE, email="other@example.com", email_confirmed_at=CONFIRMED, raw_app_meta_data=metadata)
    [result] = process_batch(database, [work_of(event, "evt-1")], Policy())
    assert (result.outcome, employee(connection, jane)["auth_user_id"]) == ("linked", JANE)
    people = database.call("auth_sync_find_people_v1", p_person="7")
    assert people is not None
    connection.execute("set enable_seqscan = off")
    number = "btrim(e.employee_number::varchar::text, auth_sync_invisible_v1())"
    plan = connection.execute(f"explain select from employees e where {number} = '7'".encode()).fetchall()
    assert any("auth_sync_employees_trimmed_number_idx" in str(line) for line in plan)


@pytest.mark.parametrize("new_type", ["varchar(320)", 'text collate "C"'])
def test_an_email_of_another_text_type_still_links(
    database_url: str, database: Database, connection: Connection, new_type: str
) -> None:
    """An e-mail column of another text type or collation still links."""
    jane = hire(connection, "Jane@example.com")
    connection.execute(f"alter table employees alter column email type {new_type}".encode())
    migrate.migrate(database_url)
    event = insert(JANE, email="jane@example.com", email_confirmed_at=CONFIRMED)
    [result] = process_batch(database, [work_of(event, "evt-1")], Policy())
    assert (result.outcome, employee(connection, jane)["auth_user_id"]) == ("linked", JANE)


def test_a_type_that_does_not_fit_is_named(database_url: str, database: Database, connection: Connection) -> None:
    """`migrate` and the doctor name the column, its type and the types that fit."""
    connection.execute("alter table employees alter column email type jsonb using to_jsonb(email)")
    named = "email must be text or varchar or citext, is jsonb"
    with pytest.raises(MigrationError, match=named):
        migrate.migrate(database_url)
    finding = found(examined(database, compare=True), "employees")
    assert named in finding.says
    connection.execute("alter table employees alter column email type text using email #>> '{}'")
    migrate.migrate(database_url)
