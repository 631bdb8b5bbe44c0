"""A directory reads and writes employees: each value, and the refusals of the employees table."""

from typing import Any

import pytest

from tests.employees import Connection, employee, hire
from tests.integration.scim.directories import JANE, directory
from webhook_service.ports import Database
from webhook_service.scim.refusals import InvalidValue, NoSuchPerson, Uniqueness, VersionMismatch

ON_WRITES = (
    "create trigger company before insert or update on public.employees for each row execute function public.company()"
)


def rule(connection: Connection, body: str) -> None:
    """A trigger of the company on employees."""
    connection.execute(
        f"create function public.company() returns trigger language plpgsql as $$ begin {body} end $$".encode()
    )
    connection.execute(ON_WRITES)


def links(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select * from public.auth_sync_scim_people order by client_id, employee_id").fetchall()


def test_a_person_is_created(database: Database, connection: Connection) -> None:
    """A new person becomes an employee with all values, and is read back the same."""
    okta = directory(database)
    made = okta.create(**JANE)
    row = employee(connection, int(made.id))
    assert {name: getattr(made, name) for name in JANE} == JANE
    assert (row["email"], row["employee_number"], row["is_active"]) == ("jane@example.com", "7", True)
    assert made.active is True
    assert okta.get(made) == made
    assert okta.find() == [made]


def test_a_person_can_be_created_inactive(database: Database, connection: Connection) -> None:
    """`active` false of a new person is written."""
    made = directory(database).create(**JANE, active=False)
    assert made.active is False
    assert employee(connection, int(made.id))["is_active"] is False


def test_more_columns(database: Database, connection: Connection) -> None:
    """The columns of SCIM_ATTRIBUTES are written, read, compared with their types, and cleared."""
    connection.execute("alter table public.employees add column department text, add column level integer")
    okta = directory(database, attributes={"department": "department", "costCenter": "level"})
    made = okta.create(**JANE, department="Sales", costCenter="5")
    assert made.extra == {"department": "Sales", "costCenter": 5}
    assert okta.change(made, department=None).extra == {"department": None, "costCenter": 5}
    with pytest.raises(InvalidValue, match="costCenter"):
        okta.change(made, costCenter="high", department="Law")
    assert okta.get(made).extra == {"department": None, "costCenter": 5}


def test_only_changes_are_validated(database: Database, connection: Connection) -> None:
    """A dismissal works for an employee whose present values no rule would accept, and rewrites none of them."""
    okta = directory(database)
    jane = hire(connection, "  Jane@Example.com ", first_name="J" * 90, employee_number=" 7 ")
    rule(connection, "if new.first_name is distinct from old.first_name then raise exception 'x'; end if; return new;")
    before = employee(connection, jane)
    changed = okta.change(jane, active=False, email="jane@example.com", first_name="J" * 90, employee_number="7")
    assert changed.active is False
    assert employee(connection, jane) == before | {"is_active": False}


def test_a_version_is_a_digest_of_the_values(database: Database, connection: Connection) -> None:
    """The version changes with each value, by any writer, and a write with an old version is refused."""
    okta = directory(database)
    made = okta.create(**JANE)
    connection.execute("update public.employees set last_name = 'Roe'")
    now = okta.get(made)
    assert now.version != made.version
    with pytest.raises(VersionMismatch):
        okta.change(made, made.version, first_name="Janet")
    with pytest.raises(VersionMismatch):
        okta.store.delete(okta.client, made.id, made.version)
    changed = okta.change(made, now.version, first_name="Janet")
    assert changed.version != now.version
    assert okta.change(made, first_name="Janet").version == changed.version


def test_times(database: Database, connection: Connection) -> None:
    """A change moves `modified` and keeps `created`. Nothing moves without a change."""
    okta = directory(database)
    made = okta.create(**JANE)
    same = okta.change(made, first_name="Jane")
    assert (same.created, same.modified) == (made.created, made.modified)
    changed = okta.change(made, first_name="Janet")
    assert changed.created == made.created
    assert changed.modified > made.modified
    untouched = okta.get(hire(connection, "joe@example.com"))
    assert untouched.created == untouched.modified


@pytest.mark.parametrize(
    ("values", "attribute"),
    [
        ({"first_name": "a\nb"}, "name.givenName"),
        ({"email": "a\x00@example.com"}, "userName"),
        ({"last_name": "\ud800"}, "name.familyName"),
        ({"external_id": "x" * 1001}, "externalId"),
        ({"active": None}, "active"),
        ({"email": None}, "userName"),
        ({"email": " \t"}, "userName"),
    ],
    ids=["control", "nul", "surrogate", "long", "no-active", "no-email", "blank"],
)
def test_values_that_cannot_be_stored(
    database: Database, connection: Connection, values: dict[str, Any], attribute: str
) -> None:
    """A value that no column can have is an invalid value of its attribute, and nothing is written."""
    okta = directory(database)
    made = okta.create(**JANE)
    with pytest.raises(InvalidValue) as refused:
        okta.change(made, **values)
    assert refused.value.attribute == attribute
    assert okta.get(made) == made


def test_a_refusal_of_a_trigger_writes_nothing(database: Database, connection: Connection) -> None:
    """An employee that a trigger refuses is an invalid value. No row is left, and later the person can be created."""
    okta = directory(database)
    rule(connection, "raise exception 'secret'; return new;")
    with pytest.raises(InvalidValue) as refused:
        okta.create(**JANE)
    assert "secret" not in refused.value.detail
    assert links(connection) == []
    connection.execute("drop trigger company on public.employees")
    assert okta.create(**JANE).external_id == "x1"


def test_a_refusal_of_a_column_names_its_attribute(database: Database, connection: Connection) -> None:
    """The attribute of a column that a constraint or the type refuses is named, also among several."""
    connection.execute("alter table public.employees add check (length(last_name) > 1)")
    connection.execute("alter table public.employees alter first_name type varchar(5)")
    okta = directory(database)
    with pytest.raises(InvalidValue, match=r"name\.familyName"):
        okta.create(**JANE | {"last_name": "D"})
    with pytest.raises(InvalidValue, match=r"name\.givenName"):
        okta.create(**JANE | {"first_name": "Johanna"})
    assert okta.find() == []


def test_a_unique_index_of_the_company(database: Database, connection: Connection) -> None:
    """A value that a unique index of the company refuses is a conflict of its attribute."""
    connection.execute("create unique index on public.employees (last_name)")
    okta = directory(database)
    hire(connection, "joe@example.com", last_name="Doe")
    with pytest.raises(Uniqueness) as refused:
        okta.create(**JANE)
    assert refused.value.attribute == "name.familyName"


@pytest.mark.parametrize("body", ["new.is_active := true; return new;", "return null;"], ids=["kept", "skipped"])
def test_a_trigger_that_keeps_active(database: Database, connection: Connection, body: str) -> None:
    """If a trigger keeps `active`, the change and the deletion are refused as a whole."""
    okta = directory(database)
    made = okta.create(**JANE)
    rule(connection, body)
    with pytest.raises(InvalidValue):
        okta.change(made, active=False, first_name="Janet", external_id="x2")
    with pytest.raises(InvalidValue):
        okta.delete(made)
    assert okta.get(made) == made


def test_an_insert_that_a_trigger_changes(database: Database, connection: Connection) -> None:
    """A new person that a trigger makes inactive is refused, and leaves nothing."""
    okta = directory(database)
    rule(connection, "new.is_active := false; return new;")
    with pytest.raises(InvalidValue, match="active"):
        okta.create(**JANE)
    assert (okta.find(), links(connection)) == ([], [])


def test_an_unknown_person(database: Database, connection: Connection) -> None:
    """An id that no employee has, or that cannot be one, is not found."""
    okta = directory(database)
    for id in ("1", "0", "x", "", "9" * 30, "1 ", "٣"):
        with pytest.raises(NoSuchPerson):
            okta.store.get(okta.client, id)
        with pytest.raises(NoSuchPerson):
            okta.store.change(okta.client, id, {"active": False})
        with pytest.raises(NoSuchPerson):
            okta.store.delete(okta.client, id)


def test_a_deleted_person(database: Database, connection: Connection) -> None:
    """A deleted person is inactive and unknown. The externalId may come again, and a POST takes the person up."""
    okta = directory(database)
    made = okta.create(**JANE)
    okta.delete(made)
    assert employee(connection, int(made.id))["is_active"] is False
    for act in (okta.get, okta.delete, okta.change):
        with pytest.raises(NoSuchPerson):
            act(made)
    assert okta.find() == []
    joe = okta.create(email="joe@example.com", external_id="x1")
    with pytest.raises(Uniqueness):
        okta.create(**JANE)
    again = okta.create(**JANE | {"external_id": "x2"})
    assert (again.id, again.active, again.external_id) == (made.id, True, "x2")
    assert [person.id for person in okta.find()] == [made.id, joe.id]


def test_a_removed_person(database: Database, connection: Connection) -> None:
    """With SCIM_DELETE=remove, the row is deleted, and the person can be created anew."""
    okta = directory(database, removes=True)
    made = okta.create(**JANE)
    okta.delete(made)
    assert connection.execute("select from public.employees").fetchall() == []
    assert links(connection) == []
    assert okta.create(**JANE).id != made.id


def test_a_removal_that_the_table_refuses(database: Database, connection: Connection) -> None:
    """If a foreign key prevents the deletion, the person stays as it was."""
    okta = directory(database, removes=True)
    made = okta.create(**JANE)
    connection.execute("create table public.badges (employee_id bigint references public.employees)")
    connection.execute("insert into public.badges values (%s)", [made.id])
    with pytest.raises(InvalidValue):
        okta.delete(made)
    assert okta.get(made) == made


def test_an_employee_who_was_deleted_otherwise(database: Database, connection: Connection) -> None:
    """The externalId of an employee whose row is gone may come again."""
    okta = directory(database)
    okta.create(**JANE)
    connection.execute("delete from public.employees")
    assert okta.create(**JANE).external_id == "x1"
