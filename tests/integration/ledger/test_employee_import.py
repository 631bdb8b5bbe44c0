"""The plan of an import of employees, and its application."""

import psycopg
import pytest

from tests.employees import Connection, employee, hire
from webhook_service.errors import BadPayload, Conflict, NotPossible
from webhook_service.events import Json
from webhook_service.ledger import employee_import
from webhook_service.ledger.employee_import import Options
from webhook_service.ports import Database
from webhook_service.wording.imports import place, why


def planned(database: Database, content: str | bytes, *, missing: bool = False) -> Json:
    """The plan of a file."""
    text = content.encode() if isinstance(content, str) else content
    file = employee_import.read_file(database, text)
    id = employee_import.store(database, file, who="test", deactivate_missing=missing)
    return employee_import.plan(database, id) | {"id": id}


def applied(database: Database, content: str | bytes, *, missing: bool = False, **options: bool) -> Json:
    """The result of a file that is planned and applied."""
    plan = planned(database, content, missing=missing)
    return employee_import.apply(database, plan["id"], plan["digest"], Options(**options))


def counts(plan: Json) -> dict[str, int]:
    """The counts that are not 0."""
    return {kind: count for kind, count in plan["counts"].items() if count}


def refusals(plan: Json) -> list[str]:
    return [f"{place(item)}: {why(item['refused'])}" for item in plan["items"]["refused"]]


def test_a_plan_has_the_new_changed_and_unchanged(database: Database, connection: Connection) -> None:
    """A plan counts new, changed and unchanged lines, and shows each change from one value to another."""
    jane = hire(connection, "jane@example.com", employee_number="1", first_name="Jane", last_name="Doe")
    hire(connection, "kim@example.com", employee_number="2", first_name="Kim")
    plan = planned(
        database,
        "employee_number,email,first_name,last_name\n1,JANE@example.com,Jane,Roe\n2,,,\n3,new@example.com,Nia,Wu\n",
    )
    assert (plan["state"], counts(plan)) == ("planned", {"new": 1, "changed": 1, "unchanged": 1})
    [changed] = plan["items"]["changed"]
    assert (changed["line"], changed["employee_id"]) == (2, jane)
    assert changed["changes"] == {"last_name": {"from": "Doe", "to": "Roe"}}
    assert [(item["line"], item["name"], item["email"]) for item in plan["items"]["new"]] == [
        (4, "Nia Wu", "new@example.com")
    ]
    assert employee(connection, jane)["last_name"] == "Doe"
    assert len(connection.execute("select from employees").fetchall()) == 2


@pytest.mark.every_employees_table
def test_the_plan_is_applied(database: Database, connection: Connection) -> None:
    """An import writes the new and the changed employees, and leaves empty cells and missing columns unchanged."""
    jane = hire(connection, "jane@example.com", employee_number="1", first_name="Jane", last_name="Doe")
    done = applied(database, "Employee Number;E-mail;First-Name;is_active\n1;;Janet;\n2;Nia@Example.com;;no\n")
    assert (done["state"], counts(done)) == ("applied", {"new": 1, "changed": 1})
    now = employee(connection, jane)
    assert (now["first_name"], now["last_name"], now["email"]) == ("Janet", "Doe", "jane@example.com")
    nia = connection.execute("select * from employees where employee_number = '2'").fetchone()
    assert nia is not None
    assert (nia["email"], nia["first_name"], nia["is_active"]) == ("nia@example.com", None, False)
    assert connection.execute("select from auth_sync_import_lines").fetchall() == []


def test_the_missing_are_left_alone_by_default(database: Database, connection: Connection) -> None:
    """Active employees who are missing in the file are deactivated only if the import says so."""
    stays, leaves = hire(connection, "a@example.com"), hire(connection, "b@example.com", first_name="Bo")
    hire(connection, "c@example.com", is_active=False)
    file = "email,first_name\na@example.com,\n"
    assert counts(applied(database, file)) == {"unchanged": 1}
    plan = planned(database, file, missing=True)
    assert (counts(plan), [item["employee_id"] for item in plan["items"]["leaves"]]) == (
        {"unchanged": 1, "leaves": 1},
        [leaves],
    )
    assert employee_import.apply(database, plan["id"], plan["digest"], Options())["state"] == "applied"
    assert (employee(connection, stays)["is_active"], employee(connection, leaves)["is_active"]) == (True, False)


REFUSED: dict[str, tuple[str, list[str]]] = {
    "a number twice": (
        "employee_number\n7\n7\n",
        [
            "line 2: employee_number: Line 3 has the same employee number.",
            "line 3: employee_number: Line 2 has the same employee number.",
        ],
    ),
    "an e-mail twice": (
        "email\nx@example.com\n X@example.com\n",
        ["line 2: email: Line 3 has the same e-mail.", "line 3: email: Line 2 has the same e-mail."],
    ),
    "an employee twice": (
        "employee_number,email\n1,\n,one@example.com\n",
        ["line 2: Line 3 is about the same employee.", "line 3: Line 2 is about the same employee."],
    ),
    "number and e-mail of two employees": (
        "employee_number,email\n1,two@example.com\n",
        ["line 2: email: Employee 2 has this e-mail, but the line is about another employee."],
    ),
    "id and number of two employees": (
        "employee_id,employee_number\n1,2\n",
        ["line 2: employee_number: Employee 2 has this number, but the line is about another employee."],
    ),
    "an e-mail with another number": (
        "employee_number,email\n99,one@example.com\n",
        [
            "line 2: employee_number: Employee 1 has this e-mail, but another number. Correct one of them, or give the"
            " employee_id."
        ],
    ),
    "an ambiguous e-mail": (
        "email,first_name\nshared@example.com,A\n",
        [
            "line 2: email: Several employees have this e-mail: 3, 4. Give the employee_number or employee_id.",
        ],
    ),
    "an ambiguous number": (
        "employee_number,first_name\n5,A\n",
        ["line 2: employee_number: Several employees have this number: 5, 6."],
    ),
    "an unknown id": ("employee_id,first_name\n99,A\n", ["line 2: There is no employee 99."]),
    "an id that is not a number": (
        "employee_id,first_name\nx,A\n",
        ["line 2: employee_id: The value does not fit the type of the column."],
    ),
    "no key": (
        "email,first_name\n,A\n",
        ["line 2: The line has no employee_id, no employee_number and no e-mail."],
    ),
    "cells are missing": ("email,first_name\na@example.com\n", ["line 2: The line has 1 cells, and the header has 2."]),
    "cells too many": (
        "email,first_name\na@example.com,A,,\nb@example.com,B,x\n",
        ["line 3: The line has 3 cells, and the header has 2."],
    ),
    "not a status": (
        "email,is_active\na@example.com,maybe\n",
        ["line 2: is_active: Must be true, false, yes, no, 1, 0, active or inactive."],
    ),
    "not an e-mail": ("email\nn/a\n", ["line 2: email: This is not an e-mail address."]),
    "not a number": (
        "email,user_type_id\na@example.com,x\nb@example.com,2\nc@example.com,y\n",
        [
            "line 2: user_type_id: The value does not fit the type of the column.",
            "line 4: user_type_id: The value does not fit the type of the column.",
        ],
    ),
    "a line after a quoted newline": (
        'email,first_name\na@example.com,"A\nB"\n\nn/a,C\n',
        ["line 5: email: This is not an e-mail address."],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_line_is_refused_with_its_reason(database: Database, connection: Connection, case: str) -> None:
    """Each refused line is named with its number, its column and the reason in words, all lines at once."""
    hire(connection, "one@example.com", employee_number="1")
    hire(connection, "two@example.com", employee_number="2")
    hire(connection, "shared@example.com", employee_number="3"), hire(connection, "shared@example.com")
    hire(connection, "five@example.com", employee_number="5"), hire(connection, "six@example.com", employee_number="5")
    file, expected = REFUSED[case]
    assert refusals(planned(database, file)) == expected


def test_what_employees_refuses_is_reported_for_all_lines(database: Database, connection: Connection) -> None:
    """Constraints and triggers of employees refuse their lines in the plan, and all refused lines are named."""
    connection.execute("alter table employees add constraint no_bobs check (first_name <> 'Bob')")
    connection.execute("alter table employees alter column last_name set not null")
    connection.execute(
        "create function no_eves() returns trigger language plpgsql as"
        " $$ begin if new.first_name = 'Eve' then raise exception 'no'; end if;"
        " if new.first_name = 'Ann' then return null; end if; return new; end $$"
    )
    connection.execute("create trigger no_eves before insert on employees for each row execute function no_eves()")
    names = ["Al", "Bob", "Cy", "Eve", "Flo", "Ann", "Gil"]
    file = "email,first_name,last_name\n" + "".join(f"{name}@example.com,{name},X\n" for name in names)
    plan = planned(database, f"{file}h@example.com,H,\n")
    assert counts(plan) == {"new": 4, "refused": 4}
    assert refusals(plan) == [
        'line 3: first_name: The database rule "no_bobs" rejected this change.',
        "line 5: A trigger of the employees table rejected this change.",
        "line 7: A trigger of the employees table prevented the change, or the employee was deleted meanwhile.",
        "line 9: last_name: A value is required.",
    ]


def test_all_or_nothing(database: Database, connection: Connection) -> None:
    """If a line is refused, nothing is imported, unless the import skips refused lines."""
    file = "email,is_active\na@example.com,maybe\nb@example.com,yes\n"
    assert applied(database, file)["state"] == "refused_lines"
    assert connection.execute("select from employees").fetchall() == []
    assert applied(database, file, skip_refused=True)["state"] == "applied"
    assert [row["email"] for row in connection.execute("select email from employees")] == ["b@example.com"]


def test_nobody_leaves_while_a_line_is_refused(database: Database, connection: Connection) -> None:
    """A refused line may be an employee who seems to be missing, so nobody who is missing is deactivated then."""
    hire(connection, "a@example.com")
    done = applied(database, "email,is_active\na@example.org,maybe\n", missing=True, skip_refused=True)
    assert done["state"] == "refused_lines"
    assert connection.execute("select from employees where not is_active").fetchall() == []


def linked(connection: Connection, count: int) -> None:
    connection.execute(
        "insert into employees (email, employee_number, auth_user_id)"
        " select format('e%%s@example.com', n), n, gen_random_uuid() from generate_series(1, %s) n",
        [count],
    )


@pytest.mark.parametrize("missing", [False, True])
def test_a_mass_deactivation_needs_its_own_confirmation(
    database: Database, connection: Connection, missing: bool
) -> None:
    """An import that deactivates an unusual share of the linked employees is refused unless that is allowed."""
    linked(connection, 40)
    lines = ["40,yes"] if missing else [f"{number},no" for number in range(1, 40)]
    file = "employee_number,is_active\n" + "\n".join(lines)
    done = applied(database, file, missing=missing)
    assert (done["state"], done["is_mass"], done["logins"]) == ("mass_deactivation", True, 39)
    assert len(connection.execute("select from employees where is_active").fetchall()) == 40
    assert applied(database, file, missing=missing, allow_mass_deactivation=True)["state"] == "applied"
    assert len(connection.execute("select from employees where is_active").fetchall()) == 1


def test_a_small_deactivation_needs_none(database: Database, connection: Connection) -> None:
    """Twenty deactivations are not a mass deactivation. Their bans are requested."""
    linked(connection, 40)
    file = "employee_number,is_active\n" + "".join(f"{number},inactive\n" for number in range(1, 21))
    assert applied(database, file)["state"] == "applied"
    query = "select from integration_sync_log where operation = 'disable_auth_user'"
    assert len(connection.execute(query).fetchall()) == 20


def test_a_changed_plan_is_not_applied(database: Database, connection: Connection) -> None:
    """If an employee has changed since the plan was shown, nothing is imported, and the result has the new plan."""
    jane = hire(connection, "jane@example.com", first_name="Jane")
    plan = planned(database, "email,first_name\njane@example.com,Janet\n")
    connection.execute("update employees set first_name = 'Jo'")
    done = employee_import.apply(database, plan["id"], plan["digest"], Options())
    assert done["state"] == "plan_changed"
    assert done["items"]["changed"][0]["changes"] == {"first_name": {"from": "Jo", "to": "Janet"}}
    assert employee(connection, jane)["first_name"] == "Jo"
    assert employee_import.apply(database, plan["id"], done["digest"], Options())["state"] == "applied"
    with pytest.raises(NotPossible, match="import_expired"):
        employee_import.apply(database, plan["id"], done["digest"], Options())


def test_a_plan_is_kept_for_half_an_hour(database: Database, connection: Connection) -> None:
    """The stored file is deleted half an hour after the upload, and can then not be applied."""
    plan = planned(database, "email\na@example.com\n")
    assert employee_import.planned(database, plan["id"])["digest"] == plan["digest"]
    connection.execute("update auth_sync_imports set begun_at = now() - interval '31 minutes'")
    with pytest.raises(NotPossible, match="import_expired"):
        employee_import.planned(database, plan["id"])
    database.call("auth_sync_close_healed_v1", p_limit=1)
    assert connection.execute("select from auth_sync_import_lines").fetchall() == []


def test_a_change_of_another_number_type(database: Database, connection: Connection) -> None:
    """A value is compared in the type of its column: 007 is the number 7 if the column is a number."""
    connection.execute("alter table employees alter column employee_number type integer using null")
    hire(connection, "a@example.com", employee_number=7, user_type_id=3)
    assert counts(planned(database, "employee_number,user_type_id\n007,03\n")) == {"unchanged": 1}


def test_new_employees_get_the_defaults_of_the_table(database: Database, connection: Connection) -> None:
    """An empty cell of a new employee gets the default of its column, which is usually null."""
    connection.execute(
        "alter table employees alter column is_active set not null, alter column last_name set default 'X'"
    )
    applied(database, "email,first_name,last_name,is_active\na@example.com,,,\n")
    [row] = connection.execute("select first_name, last_name, is_active from employees").fetchall()
    assert row == {"first_name": None, "last_name": "X", "is_active": True}


def test_a_file_that_is_not_a_table_of_employees(database: Database) -> None:
    """An unknown column is an error that names it, and the columns that there are."""
    with pytest.raises(BadPayload) as error:
        planned(database, "email,Salary\na@example.com,1\n")
    assert error.value.detail == (
        "The table employees has no such column: “salary”. It has: email, employee_id, employee_number, first_name,"
        " is_active, last_name, user_type_id."
    )


def test_a_generated_status_cannot_be_imported(database: Database, connection: Connection) -> None:
    """A column that PostgreSQL generates is refused by its name."""
    connection.execute("alter table employees add column full_name text generated always as (first_name) stored")
    with pytest.raises(BadPayload, match="An import cannot write these columns: full_name"):
        planned(database, "email,full_name\na@example.com,A\n")


def test_only_one_import_at_a_time(database: Database, connection: Connection, database_url: str) -> None:
    """While an import is under way, another one is neither planned nor applied, and can be retried afterwards.

    Otherwise two imports of a file at once would create its employees twice.
    """
    ids = [
        employee_import.store(
            database,
            employee_import.read_file(database, b"email\nnia@example.com\n"),
            who="test",
            deactivate_missing=False,
        )
        for _ in range(2)
    ]
    with psycopg.connect(database_url) as other:
        other.execute(
            "select auth_sync_import_v1(p_import => %s, p_is_dry => false, p_digest => null, p_skip_refused => false,"
            " p_allow_mass => false, p_limit => 1)",
            [ids[0]],
        )
        with pytest.raises(Conflict, match="import_under_way"):
            employee_import.plan(database, ids[1])
        with pytest.raises(Conflict, match="import_under_way"):
            employee_import.apply(database, ids[1], None, Options())
    assert counts(employee_import.apply(database, ids[1], None, Options())) == {"unchanged": 1}
    assert len(connection.execute("select from employees").fetchall()) == 1
