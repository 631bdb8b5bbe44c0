"""A company's rules on employees refuse exactly the lines of an import that violate them, however many they are."""

from collections.abc import Callable

import pytest

from tests.employees import Connection, hire
from tests.integration.ledger.test_employee_import import applied, counts, planned
from webhook_service.ports import Database
from webhook_service.wording.imports import why

LINES = 72
"""More than 8 * 8, so that the search, which cuts the lines into eight parts, has three levels."""

EVERY = 3
"""Every third line violates the rule."""

RAISES = "begin if new.first_name like 'Bad%' then raise exception 'no'; end if; return new; end"
SKIPS = "begin if new.first_name like 'Bad%' then return null; end if; return new; end"
ASSERTS = "begin assert new.first_name not like 'Bad%'; return new; end"
CHECK = 'The database rule "of_company" rejected this change.'
TRIGGER = "A trigger of the employees table rejected this change."


def trigger(body: str, when: str) -> str:
    return (
        f"create function of_company() returns trigger language plpgsql as $$ {body} $$;"
        f"create {when} on employees {{for_each}} execute function of_company()"
    ).replace("{for_each}", "deferrable initially deferred for each row" if "constraint" in when else "for each row")


RULES: dict[str, tuple[str, str]] = {
    "check": ("alter table employees add constraint of_company check (first_name not like 'Bad%')", CHECK),
    "check that is not valid": (
        "alter table employees add constraint of_company check (first_name not like 'Bad%') not valid",
        CHECK,
    ),
    "check of two columns": (
        "alter table employees add constraint of_company check (first_name not like 'Bad%' or last_name is null)",
        CHECK,
    ),
    "check of the row": (
        "create function fits(employees) returns boolean language sql immutable as"
        " $$ select $1.first_name not like 'Bad%' $$;"
        "alter table employees add constraint of_company check (fits(employees.*))",
        CHECK,
    ),
    "check that raises": (
        "alter table employees add constraint of_company"
        " check (1 / (case when first_name like 'Bad%' then 0 else 1 end) = 1)",
        "A rule or a trigger of the employees table rejected this change.",
    ),
    "check that needs the search_path": (
        "create function is_fit(text) returns boolean language plpgsql as $$ begin return good($1); end $$;"
        "create function good(text) returns boolean language sql as $$ select $1 not like 'Bad%' $$;"
        "alter table employees add constraint of_company check (is_fit(first_name))",
        CHECK,
    ),
    "exclusion": (
        "alter table employees add constraint of_company exclude using btree (left(first_name, 3) with =)"
        " where (first_name like 'Bad%')",
        CHECK,
    ),
    "unique, of an expression": (
        "create unique index of_company on employees (left(first_name, 3)) where first_name like 'Bad%'",
        "Another employee has this value.",
    ),
    "unique, deferred": (
        "alter table employees add column short text generated always as"
        " (case when first_name like 'Bad%' then 'bad' end) stored;"
        "alter table employees add constraint of_company unique (short) deferrable initially deferred",
        "Another employee has this value.",
    ),
    "foreign key": (
        "create table allowed_names (name text primary key);"
        "insert into allowed_names select format('Good%s', n) from generate_series(0, 100) n;"
        "insert into allowed_names values ('Old');"
        "alter table employees add constraint of_company foreign key (first_name) references allowed_names",
        "There is no such value in the table that the column refers to.",
    ),
    "trigger that raises before": (
        trigger(RAISES, "trigger of_company before insert or update"),
        TRIGGER,
    ),
    "trigger that raises afterwards": (
        trigger(RAISES, "trigger of_company after insert or update"),
        TRIGGER,
    ),
    "trigger that raises at the commit": (
        trigger(RAISES, "constraint trigger of_company after insert or update"),
        TRIGGER,
    ),
    "trigger that prevents the row": (
        trigger(SKIPS, "trigger of_company before insert or update"),
        "A trigger of the employees table prevented the change, or the employee was deleted meanwhile.",
    ),
    "trigger that asserts": (
        trigger(ASSERTS, "trigger of_company before insert or update"),
        "A rule or a trigger of the employees table rejected this change.",
    ),
}
"""Rules of companies, each with the reason that the plan gives."""


def file_of(bad: Callable[[int], bool]) -> str:
    names = (f"Bad{number}" if bad(number) else f"Good{number}" for number in range(LINES))
    lines = (f"{number},e{number}@example.com,{name},X" for number, name in enumerate(names))
    return "\n".join(("employee_number,email,first_name,last_name", *lines))


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
@pytest.mark.parametrize("rule", RULES)
def test_each_line_that_employees_refuses_is_found(
    database: Database, connection: Connection, rule: str, is_new: bool
) -> None:
    """The plan refuses each line that a rule forbids, with its reason. All other lines are imported."""
    connection.execute("insert into employees (email, first_name) values ('old@example.com', 'Bad old')")
    if not is_new:
        connection.execute(
            "insert into employees (employee_number, email, first_name)"
            " select n, format('e%%s@example.com', n), 'Old' from generate_series(0, %s - 1) n",
            [LINES],
        )
    sql, reason = RULES[rule]
    if not rule.startswith(("exclusion", "unique")):  # to add any other rule, all present rows must satisfy it
        connection.execute("update employees set first_name = 'Old'")
    connection.execute(sql.encode())
    file = file_of(lambda number: number % EVERY == 0)
    plan = planned(database, file)
    kind = "new" if is_new else "changed"
    assert counts(plan) == {kind: LINES - LINES // EVERY, "refused": LINES // EVERY}
    assert [item["line"] for item in plan["items"]["refused"]] == list(range(2, LINES + 2, EVERY))
    assert {why(item["refused"]).removeprefix("first_name: ") for item in plan["items"]["refused"]} == {reason}
    assert applied(database, file, skip_refused=True)["state"] == "applied"
    found = connection.execute("select count(*) as count from employees where first_name like 'Good%'").fetchone()
    assert found == {"count": LINES - LINES // EVERY}


def test_a_required_value_is_missing(database: Database, connection: Connection) -> None:
    """A new employee without a required value is refused, and one whose column has a default is not."""
    connection.execute("alter table employees add column site text not null, add column desk text not null default 'A'")
    lines = "".join(f"e{number}@example.com,{'' if number % 3 else 'Oslo'},\n" for number in range(300))
    plan = planned(database, f"email,site,desk\n{lines}")
    assert counts(plan) == {"new": 100, "refused": 200}
    assert {why(item["refused"]) for item in plan["items"]["refused"]} == {"site: A value is required."}


def test_a_value_that_a_trigger_sets_is_not_missing(database: Database, connection: Connection) -> None:
    """Lines that violate a constraint only before a trigger of the company has changed them are imported."""
    connection.execute(
        "alter table employees add column site text not null check (site <> 'x');"
        "create function of_company() returns trigger language plpgsql as"
        " $$ begin new.site := coalesce(nullif(new.site, 'x'), 'Oslo'); return new; end $$;"
        "create trigger of_company before insert on employees for each row execute function of_company();"
        "alter table employees add constraint no_bad check (first_name <> 'Bad')"
    )
    file = "email,first_name,site\n" + "".join(
        f"e{number}@example.com,{'Bad' if number == 7 else 'Good'},{'x' if number % 2 else ''}\n"
        for number in range(50)
    )
    assert counts(applied(database, file, skip_refused=True)) == {"new": 49, "refused": 1}
    assert connection.execute("select distinct site from employees").fetchall() == [{"site": "Oslo"}]


def test_of_two_lines_with_a_unique_value_the_first_is_imported(database: Database, connection: Connection) -> None:
    """Of several lines with the same unique value, the first that nothing else refuses is imported."""
    connection.execute(
        "create unique index of_company on employees (last_name);"
        "alter table employees add constraint no_bad check (first_name <> 'Bad')"
    )
    hire(connection, "old@example.com", last_name="Taken")
    file = "email,first_name,last_name\na@x.org,Bad,Roe\nb@x.org,B,Roe\nc@x.org,C,Roe\nd@x.org,D,Taken\ne@x.org,E,Wu\n"
    plan = planned(database, file)
    assert [item["line"] for item in plan["items"]["refused"]] == [2, 4, 5]


def test_a_value_that_another_line_changes(database: Database, connection: Connection) -> None:
    """A new employee can get a unique value that another line takes away from an employee."""
    connection.execute("create unique index of_company on employees (last_name)")
    hire(connection, "old@example.com", last_name="Roe")
    file = "email,last_name\nnew@example.com,Roe\nold@example.com,Wu\n"
    assert counts(applied(database, file)) == {"new": 1, "changed": 1}
