"""If a rule of the employees table refuses an employee, neither the employee nor a login is created."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.captured import everything
from tests.integration.capturing import auth_on
from tests.integration.hiring import EMAIL, JANE_DOE, Office, intents, office, pairs, reason_of, whole_log
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import Settings

CANARY = "Canary"
"""A value of the row, which must not be repeated."""
BODY: dict[str, Json] = JANE_DOE | {"last_name": CANARY}

RAISES = """
create function rule() returns trigger language plpgsql as $$ begin
  raise exception 'no: %%', new using detail = new::text, hint = new.last_name%s;
end $$;
create trigger rule before insert on employees for each row %s execute function rule();
"""
WITH_A_LOGIN = "when (new.auth_user_id is not null)"
NUMBER = "add constraint one_number unique (employee_number)"

EARLY: dict[str, tuple[str, dict[str, Json], dict[str, str]]] = {
    "unique": (f"alter table employees {NUMBER}", {"employee_number": "E-1"}, {"constraint": "one_number"}),
    "check": (
        "alter table employees add constraint short check (length(last_name) < 3)",
        {},
        {"constraint": "short", "sqlstate": "23514"},
    ),
    "not null": (
        "alter table employees add column department text; update employees set department = '';"
        "alter table employees alter column department set not null",
        {},
        {"column": "department", "sqlstate": "23502"},
    ),
    "foreign key": (
        "create table departments (id int primary key);"
        "alter table employees add column department_id int constraint a_department references departments",
        {"department_id": 7},
        {"constraint": "a_department"},
    ),
    "domain": (
        "create domain shouted as text constraint all_upper check (value = upper(value));"
        "alter table employees add column motto shouted",
        {"motto": CANARY},
        {"constraint": "all_upper"},
    ),
    "no number": ("alter table employees add column salary numeric", {"salary": CANARY}, {"sqlstate": "22P02"}),
    "no date": ("alter table employees add column hired_on date", {"hired_on": CANARY}, {"sqlstate": "22007"}),
    "too long": ("alter table employees add column desk varchar(3)", {"desk": CANARY}, {"sqlstate": "22001"}),
    "too big": ("alter table employees add column floor smallint", {"floor": 2**15}, {"sqlstate": "22003"}),
    "a trigger": (RAISES % ("", ""), {}, {"sqlstate": "P0001"}),
    "a trigger, by name": (
        RAISES % (", errcode = '23514', constraint = 'budget'", ""),
        {},
        {"constraint": "budget", "sqlstate": "23514"},
    ),
    "assert": (
        "create function rule() returns trigger language plpgsql as $$ begin assert false, new; end $$;"
        "create trigger rule before insert on employees for each row execute function rule()",
        {},
        {"sqlstate": "P0004"},
    ),
}
"""Rules that refuse an employee before Auth is called."""

SWALLOWS = "create function rule() returns trigger language plpgsql as $$ begin %s end $$;"
LATE: dict[str, tuple[str, dict[str, Json], dict[str, str]]] = {
    "a trigger": (RAISES % ("", WITH_A_LOGIN), {}, {"sqlstate": "P0001"}),
    "a check": (
        "alter table employees add constraint no_login check (auth_user_id is null)",
        {},
        {"constraint": "no_login"},
    ),
    "unique, checked late": (
        f"alter table employees {NUMBER} deferrable initially deferred",
        {"employee_number": "E-1"},
        {"constraint": "one_number"},
    ),
    "a trigger, late": (
        (RAISES % ("", ""))
        .replace("create trigger rule before", "create constraint trigger rule after")
        .replace("for each row", "deferrable initially deferred for each row"),
        {},
        {"sqlstate": "P0001"},
    ),
    "swallowed": (
        SWALLOWS % "return null;"
        + f"create trigger rule before insert on employees for each row {WITH_A_LOGIN} execute function rule()",
        {},
        {},
    ),
    "not linked": (
        SWALLOWS % "new.auth_user_id := null; return new;"
        + "create trigger rule before insert or update on employees for each row execute function rule()",
        {},
        {},
    ),
    "linked with another": (
        SWALLOWS % f"new.auth_user_id := '{JANE}'; return new;"
        + f"create trigger rule before insert on employees for each row {WITH_A_LOGIN} execute function rule()",
        {},
        {},
    ),
}
"""Rules that refuse only an employee with a login, or that PostgreSQL checks only at the end."""


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    with office(settings, database, connection, caplog) as made:
        hire(connection, "somebody.else@example.com", employee_number="E-1", last_name="A")
        yield made


def assert_refused_with(
    hr: Office, log: pytest.LogCaptureFixture, body: dict[str, Json], facts: dict[str, str]
) -> None:
    """Check for a 422 with the facts, and without any value of the row."""
    answer = hr.post(body)
    assert reason_of(answer) == (422, "employee_rejected"), answer.text
    said = answer.get_json()
    assert {name: said[name] for name in facts} == facts
    assert CANARY not in answer.text + whole_log(log)


@pytest.mark.parametrize("name", EARLY)
def test_rules_are_checked_before_auth_is_called(hr: Office, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """A 422 names the rule that refuses an employee, before Auth is called or any row is written."""
    rule, further, facts = EARLY[name]
    hr.connection.execute(rule.encode())
    before = everything(hr.connection)
    assert_refused_with(hr, caplog, BODY | further, facts)
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


@pytest.mark.parametrize("invite", [False, True])
@pytest.mark.parametrize("name", LATE)
def test_a_rule_that_fails_late_leaves_no_login(
    hr: Office, caplog: pytest.LogCaptureFixture, name: str, invite: bool
) -> None:
    """If a rule is checked only after the login was created, the response is 422 and the login is deleted again."""
    rule, further, facts = LATE[name]
    hr.connection.execute(rule.encode())
    before = everything(hr.connection, "employees")
    assert_refused_with(hr, caplog, BODY | further | {"invite": invite}, facts)
    assert everything(hr.connection, "employees") == before
    assert pairs(hr.connection) == [(before["employees"][0]["employee_id"], None)]
    assert intents(hr.connection) in ([], [("SUCCESS", "undone")])


@pytest.mark.parametrize("name", LATE)
def test_a_rule_that_fails_late_leaves_an_existing_login(
    hr: Office, caplog: pytest.LogCaptureFixture, database_url: str, name: str
) -> None:
    """If a rule refuses the link to an existing login, the response is 422 and the login is unchanged."""
    with auth_on(database_url) as auth:
        user = auth.admin_create(EMAIL)
    rule, further, facts = LATE[name]
    hr.connection.execute(rule.encode())
    before = everything(hr.connection, "employees", "auth.users", "integration_sync_log")
    assert_refused_with(hr, caplog, BODY | further | {"auth_user_id": str(user)}, facts)
    assert everything(hr.connection, "employees", "auth.users", "integration_sync_log") == before


def test_a_refused_request_succeeds_without_the_rule(hr: Office) -> None:
    """After the rule that refused a request is dropped, the same request succeeds."""
    hr.connection.execute(LATE["a check"][0].encode())
    hr.post(BODY)
    hr.connection.execute("alter table employees drop constraint no_login")
    answer = hr.post(BODY)
    assert answer.status_code == 201
    assert (answer.get_json()["employee_id"], UUID(answer.get_json()["auth_user_id"])) in pairs(hr.connection)


def test_the_trial_insert_is_rolled_back(hr: Office) -> None:
    """The effects of the employees table's triggers during the trial insert are rolled back, and happen once."""
    hr.connection.execute(
        "create table welcomed (email text); create function welcome() returns trigger language plpgsql as $$ begin"
        " insert into welcomed values (new.email); return null; end $$;"
        "create trigger welcome after insert on employees for each row execute function welcome()"
    )
    hr.post(BODY)
    assert hr.connection.execute("select email from welcomed").fetchall() == [{"email": EMAIL}]
