"""The inbox has a row for each person and cause, with the action that ends it, only while the cause holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from tests.auth_traffic import CONFIRMED, insert, update
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked, relay_all
from tests.integration.inbox_rows import Row, only_row, rows
from tests.integration.signing_in import Browser, local, pages
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import comparison, employees
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

LOGIN, OTHER = UUID(int=7), UUID(int=8)


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    with pages(local(settings)) as site:
        yield site


def arrives(database: Database, email: str, login: UUID = LOGIN, at: int = 1, **columns: Json) -> str:
    """Apply an event of a login with a confirmed e-mail, and return its outcome."""
    event = (insert if at == 1 else update)(login, at=at, email=email, email_confirmed_at=CONFIRMED, **columns)
    [result] = process_batch(database, [work_of(event, f"evt-{login.int}-{at}")], Policy())
    return str(result.outcome)


def know(connection: Connection, login: UUID, email: str, **columns: Any) -> None:
    """Let the service know a login."""
    connection.execute(
        "insert into auth_user_state (auth_user_id, version, email, email_confirmed, banned_until)"
        " values (%s, 1, %s, true, %s)",
        [login, email, columns.get("banned_until")],
    )


def linked(connection: Connection, name: str, login: UUID = LOGIN, **columns: Any) -> int:
    """An employee and a login that the service knows, linked without any event."""
    email = f"{name.lower()}@example.com"
    know(connection, login, str(columns.pop("login_email", email)))
    with nothing_linked(connection):
        return hire(connection, email, **{"first_name": name, "auth_user_id": login} | columns)


def enter(connection: Connection, operation: str, employee_id: int, login: UUID = LOGIN, **columns: Any) -> str:
    """Enter an action that is no longer retried, or as `columns` say, and return its id."""
    values = {
        "event_id": f"{login}:{operation}",
        "direction": "outbound",
        "operation": operation,
        "status": "FAILED",
        "outcome": "auth_refused",
        "error_message": "no",
        "auth_user_id": login,
        "employee_id": employee_id,
        "via": "employees",
    } | columns
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    connection.execute(
        f"insert into integration_sync_log ({names}) values ({places})".encode(),  # noqa: S608
        list(values.values()),
    )
    return str(values["event_id"])


def pressed(browser: Browser, row: Row, label: str) -> str:
    """Press a button. It leads back to the inbox. Return the text of the inbox with the message."""
    answer = row.press(browser, label)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/inbox"), answer.text
    return browser.get("/admin/inbox").text


def test_an_empty_inbox_does_not_claim_too_much(browser: Browser, database: Database, connection: Connection) -> None:
    """An empty inbox says so, and that nothing was compared yet, that this is long ago, or that no relay runs."""
    text = browser.get("/admin/inbox").text
    assert "Nothing needs attention." in text
    assert "Employees and logins have not been compared yet" in text
    assert "The relay has never run" in text
    comparison.compare(database, Policy(), requested_by="Kim")
    relay_all(database)
    text = browser.get("/admin/inbox").text
    assert "compared" not in text.split("<main")[1]
    assert "The relay" not in text
    connection.execute("update auth_sync_comparison set at = now() - interval '8 days'")
    assert "were not compared for a week" in browser.get("/admin/inbox").text


@pytest.mark.every_employees_table
def test_a_login_that_several_employees_match_is_chosen(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """Each match has a button, which gives the login and ends the row. Several events are one row."""
    for name in ("Ann", "Bob"):
        hire(connection, "desk@example.com", first_name=name)
    assert [arrives(database, "desk@example.com", at=at) for at in (1, 2)] == ["ambiguous", "ambiguous"]
    row = only_row(browser)
    assert "Several employees match the login desk@example.com: Ann, Bob." in row.text
    assert "Login given." in pressed(browser, row, "It is Bob")
    assert rows(browser) == []
    assert employee(connection, 2)["auth_user_id"] == LOGIN


def test_a_second_login_of_a_person_is_shown(browser: Browser, connection: Connection, database: Database) -> None:
    """A login that matches an employee with another login has a row until it is dismissed with a reason."""
    ann = linked(connection, "Ann", OTHER)
    assert arrives(database, "ann@example.com") == "already_linked"
    row = only_row(browser)
    assert "A second login, ann@example.com, matches Ann, who has another login." in row.text
    assert row.links["Edit Ann"] == f"/admin/employees/{ann}/edit?next=/admin/inbox"
    assert "Dismiss" not in row.buttons  # it is still retried
    connection.execute("update integration_sync_log set next_attempt_at = null")
    answer = only_row(browser).press(browser, "Dismiss", reason="Her old login")
    assert answer.headers["Location"] == "/admin/inbox"
    assert rows(browser) == []


def test_an_email_that_another_employee_has_is_corrected(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """The row of a taken e-mail names both people; after the correction, another try ends it."""
    connection.execute("alter table employees add unique (email)")
    ann, bob = linked(connection, "Ann"), hire(connection, "new@example.com", first_name="Bob")
    assert arrives(database, "new@example.com", at=2) == "email_taken"
    row = only_row(browser)
    assert "The e-mail new@example.com of the login of Ann belongs to Bob in the employees table." in row.text
    form = browser.get(row.links["Edit Bob"]).text
    assert '<input type="hidden" name="next" value="/admin/inbox">' in form
    answer = browser.sends(f"/admin/employees/{bob}/edit", next="/admin/inbox", email="bob@example.com")
    assert answer.headers["Location"] == "/admin/inbox"
    assert "Tried again" in pressed(browser, only_row(browser), "Try again")
    assert rows(browser) == []
    assert employee(connection, ann)["email"] == "new@example.com"


def test_a_database_rule_is_named(browser: Browser, connection: Connection, database: Database) -> None:
    """The row of a refused change names the constraint, and ends when the change can be applied."""
    connection.execute(
        "alter table employees add constraint login_needs_number"
        " check (auth_user_id is null or employee_number is not null)"
    )
    hire(connection, "ann@example.com", first_name="Ann")
    assert arrives(database, "ann@example.com") == "employee_rejected"
    row = only_row(browser)
    assert "The database rule &quot;" not in row.text
    assert 'The database rule "login_needs_number" rejected this change.' in row.text
    connection.execute("update employees set employee_number = 'E1'")
    pressed(browser, row, "Try again")
    assert rows(browser) == []


def test_an_event_that_is_retried_for_a_technical_reason_is_no_row(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """An event that could not be applied is a row only when it is no longer retried, and not once overtaken."""
    ann = linked(connection, "Ann")
    assert arrives(database, "ann@example.com", at=2) == "unchanged"
    connection.execute(
        "update integration_sync_log set status = 'FAILED', outcome = 'not_applied', error_message = 'x',"
        " completed_at = null, next_attempt_at = now() + interval '1 hour', employee_id = %s",
        [ann],
    )
    assert rows(browser) == []
    connection.execute("update integration_sync_log set next_attempt_at = null")
    assert "A change of the login of Ann could not be saved" in only_row(browser).text
    arrives(database, "ann@example.com", at=3)
    assert rows(browser) == []


def test_a_dismissed_person_whose_login_works_is_banned(browser: Browser, connection: Connection) -> None:
    """A dismissed employee without a ban has a row with the button that bans, until the login is banned."""
    linked(connection, "Ann", is_active=False)
    row = only_row(browser)
    assert "Ann was deactivated, but the login still works" in row.text
    connection.execute(
        "insert into auth.users (id, email, email_confirmed_at) values (%s, 'ann@example.com', now())", [LOGIN]
    )
    assert "Deactivated." in pressed(browser, row, "Ban this login")
    assert rows(browser) == []


@pytest.mark.every_employees_table
def test_held_bans_are_decided_for_all_or_for_one(browser: Browser, connection: Connection) -> None:
    """Each held ban is a row with the button that bans, and the page decides about all of them."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", first_name=f"Eva{number}", auth_user_id=uuid4())
    connection.execute("update employees set is_active = false")
    found = rows(browser)
    assert len(found) == 25
    assert "Eva0 was deactivated together with an unusual share of the employees." in found[0].text
    assert "requested" in pressed(browser, found[0], "Ban this login") or len(rows(browser)) == 24
    text = browser.get("/admin/inbox").text
    assert "24 bans wait for your decision" in text
    newest = str(connection.execute("select max(id) as id from auth_sync_held_actions").fetchall()[0]["id"])
    answer = browser.sends("/admin/held/discard", newest_id=newest, reason="mass_deactivation", next="/admin/inbox")
    assert answer.headers["Location"] == "/admin/inbox"
    assert "wait for your decision" not in browser.get("/admin/inbox").text
    assert not any("unusual share" in row.text for row in rows(browser))


@pytest.mark.every_employees_table
def test_an_unclear_owner_is_a_row(browser: Browser, connection: Connection) -> None:
    """A ban that is held because another employee may own the login has a row, until it is dropped."""
    ann = linked(connection, "Ann", is_active=False)
    connection.execute(
        "select auth_sync_hold_unclear_v1(jsonb_agg(b))"
        " from (select %s::uuid as auth_user_id, %s::bigint as employee_id) as b",
        [LOGIN, ann],
    )
    assert "another employee may own the login ann@example.com" in only_row(browser).text
    assert "The bans" not in browser.get("/admin/inbox").text
    connection.execute("delete from auth_sync_held_actions")
    assert "Ann was deactivated, but the login still works" in only_row(browser).text


@pytest.mark.parametrize(
    ("operation", "columns", "sentence"),
    [
        ("disable_auth_user", {"is_active": False}, "The login of Ann, who does not work here, could not be disabled"),
        ("update_auth_email", {"login_email": "old@example.com"}, "The login of Ann could not get the e-mail"),
    ],
)
def test_an_action_that_is_not_retried_is_a_row(
    browser: Browser, connection: Connection, operation: str, columns: dict[str, Any], sentence: str
) -> None:
    """An action that is no longer retried is a row with its reason, until Auth has its result."""
    ann = linked(connection, "Ann", **columns)
    event_id = enter(connection, operation, ann, request_data='{"email": "ann@example.com"}')
    row = only_row(browser)
    assert sentence in row.text
    assert "Supabase refused the change" in row.text
    assert row.buttons["Try again"][0] == f"/admin/events/{event_id}/replay"
    connection.execute(
        "update auth_user_state set email = 'ann@example.com', banned_until = now() + interval '100 years'"
    )
    assert rows(browser) == []


def test_a_login_that_could_not_be_enabled_or_created_is_a_row(browser: Browser, connection: Connection) -> None:
    """So is an activation that Auth refused, until the ban is gone, and a login that could not be created."""
    ann, bob = linked(connection, "Ann"), hire(connection, "bob@example.com", first_name="Bob")
    connection.execute("update auth_user_state set banned_until = now() + interval '100 years'")
    enter(connection, "enable_auth_user", ann)
    enter(connection, "create_auth_user", bob, OTHER, outcome="email_taken")
    assert [row.text.split(" Since")[0] for row in rows(browser)] == [
        "Bob Needs attention A login for Bob could not be created: another login has this e-mail.",
        "Ann Needs attention The login of Ann could not be enabled: Supabase refused the change.",
    ]
    connection.execute("update auth_user_state set banned_until = null")
    with nothing_linked(connection):
        connection.execute("update employees set auth_user_id = %s where employee_id = %s", [OTHER, bob])
    assert rows(browser) == []


@pytest.mark.every_employees_table
def test_an_action_waits_because_auth_does_not_answer(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """A pending action is a row only while Auth does not answer; a newer one of the person replaces it."""
    ann = linked(connection, "Ann", is_active=False)
    waiting: dict[str, Any] = {
        "status": "PENDING",
        "outcome": None,
        "error_message": None,
        "next_attempt_at": datetime.now(UTC),
    }
    enter(connection, "disable_auth_user", ann, **waiting)
    assert rows(browser) == []
    database.call("auth_sync_note_auth_v1", p_error="auth_unreachable")
    row = only_row(browser)
    assert "Ann does not work here, but the login still works, because Supabase does not answer." in row.text
    assert "Try now" in row.buttons
    database.call("auth_sync_note_auth_v1", p_error=None)
    assert rows(browser) == []
    connection.execute(
        "update integration_sync_log set next_attempt_at = now() - interval '1 hour',"
        " created_at = now() - interval '1 hour'"
    )
    assert "because the service has not come to it" in only_row(browser).text
    with nothing_linked(connection):
        connection.execute("update employees set is_active = true")
    assert rows(browser) == []


@pytest.mark.every_employees_table
def test_a_change_of_a_user_waits_for_approval(browser: Browser, connection: Connection) -> None:
    """A change that a user wrote without proof is a row with the buttons that approve and drop it."""
    ann = linked(connection, "Ann", login_email="old@example.com")
    event_id = enter(
        connection, "update_auth_email", ann, outcome="changed_by_client", request_data='{"email": "ceo@example.com"}'
    )
    row = only_row(browser)
    assert "A user changed the e-mail of Ann to ceo@example.com without proof." in row.text
    assert row.buttons["Approve"][0] == f"/admin/events/{event_id}/replay"
    assert "Dropped." in pressed(browser, row, "Drop the change")
    assert rows(browser) == []


@pytest.mark.every_employees_table
def test_a_shared_number_is_one_row(browser: Browser, connection: Connection) -> None:
    """Active employees with one number are one row, which ends when one number is corrected."""
    for name in ("Ann", "Bob"):
        hire(connection, f"{name}@example.com", first_name=name, employee_number="E1")
    hire(connection, "former@example.com", first_name="Eve", employee_number="E1", is_active=False)
    row = only_row(browser)
    assert "Ann shares the employee number E1 with: Bob." in row.text
    assert {"Edit Ann", "Edit Bob"} <= set(row.links)
    connection.execute("update employees set employee_number = 'E2' where first_name = 'Bob'")
    assert rows(browser) == []


def test_a_deleted_login_is_a_row(browser: Browser, connection: Connection) -> None:
    """An active employee whose login was deleted has a row with the way to another login, until deactivated."""
    ann = hire(connection, "ann@example.com", first_name="Ann", orphaned_at=datetime.now(UTC))
    row = only_row(browser)
    assert "The login of Ann, who works here, was deleted." in row.text
    assert row.links["Give a login"] == f"/admin/employees/{ann}#choose-title"
    assert "Deactivated." in pressed(browser, row, "Deactivate")
    assert rows(browser) == []


@pytest.mark.every_employees_table
def test_a_different_email_is_a_row(browser: Browser, connection: Connection) -> None:
    """An active employee whose login has another e-mail has a row with both, until they agree."""
    ann = linked(connection, "Ann", login_email="other@example.com")
    row = only_row(browser)
    assert "Ann has the e-mail ann@example.com, but the login has other@example.com." in row.text
    assert row.links["Edit Ann"].startswith(f"/admin/employees/{ann}/edit")
    connection.execute("update auth_user_state set email = 'ann@example.com'")
    assert rows(browser) == []


def test_an_unusable_email_is_a_row(browser: Browser, connection: Connection) -> None:
    """An employee whose e-mail cannot be that of a login has a row, until it is corrected."""
    hire(connection, "mailto:ann@example.com", first_name="Ann")
    assert "Ann cannot get a login, because “mailto:ann@example.com” is not an e-mail" in only_row(browser).text
    connection.execute("update employees set email = 'ann@example.com'")
    assert rows(browser) == []


def test_the_most_severe_are_first_and_the_menu_counts(browser: Browser, connection: Connection) -> None:
    """The rows are in order of severity, and every page has their number in the menu."""
    assert "Inbox</a>" in browser.get("/admin/audit").text
    hire(connection, "mailto:zed@example.com", first_name="Zed")
    hire(connection, "joe@example.com", first_name="Joe", orphaned_at=datetime.now(UTC))
    linked(connection, "Ann", is_active=False)
    assert [row.text.split()[0] for row in rows(browser)] == ["Ann", "Joe", "Zed"]
    assert 'Inbox <span class="count">3<' in browser.get("/admin/audit").text


def test_the_inbox_has_pages(browser: Browser, connection: Connection) -> None:
    """A long inbox continues on further pages, across causes, each row once; the menu counts up to 99."""
    for number in range(70):
        hire(connection, f"e{number}@example.com", first_name=f"Orphan{number}", orphaned_at=datetime.now(UTC))
    for number in range(50):
        hire(connection, f"mailto:e{number}@example.com", first_name=f"Unusable{number}")
    path, seen = "/admin/inbox", []
    while path:
        seen += [row.text.split()[0] for row in rows(browser, path)]
        text = browser.get(path).text
        path = text.split('rel="next" href="')[1].split('"')[0] if 'rel="next"' in text else ""
    assert seen == [f"Orphan{n}" for n in range(70)] + [f"Unusable{n}" for n in range(50)]
    assert 'Inbox <span class="count">99+<' in browser.get("/admin/audit").text
    assert browser.get("/admin/inbox?after=0.1").status_code == 200
    assert browser.get("/admin/inbox?after=9.999999999999999999").status_code == 200


def test_a_large_company_is_read_from_the_comparison_of_the_relay(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """With more than 10,000 employees, the rows are those that a relay found, and whose cause still holds."""
    with nothing_linked(connection):
        connection.execute(
            "insert into employees (email, first_name)"
            " select n || '@example.com', 'Ann' from generate_series(1, 10001) as n"
        )
        connection.execute("update employees set employee_number = 'E1' where employee_id in (4, 7)")
        connection.execute("update employees set is_active = false, auth_user_id = %s where employee_id = 9", [LOGIN])
    assert rows(browser) == []
    while employees.refresh_differences(database).next_in == 0:
        pass
    assert [row.text.split(" Ann")[0] for row in rows(browser)] == ["Ann Can still sign in", "Ann Same number"]
    connection.execute("update employees set employee_number = null where employee_id = 7")
    with nothing_linked(connection):
        connection.execute("update employees set is_active = true where employee_id = 9")
    assert rows(browser) == []


def test_a_form_returns_only_to_a_page_of_this_service(browser: Browser, connection: Connection) -> None:
    """`next` leads to a page of the dashboard, and a foreign address leads to the overview."""
    ann = hire(connection, "ann@example.com")
    for requested, target in (
        ("/admin/inbox?after=5.1", "/admin/inbox?after=5.1"),
        ("//evil.example", "/admin/auth-sync"),
    ):
        answer = browser.sends(f"/admin/employees/{ann}/active", is_active="true", next=requested)
        assert answer.headers["Location"] == target
    assert (
        browser.sends(f"/admin/employees/{ann}/active", is_active="true").headers["Location"]
        == f"/admin/employees/{ann}"
    )
