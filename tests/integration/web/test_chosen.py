"""Changes of several employees or events that an admin has chosen in a list."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.auth_faults import AuthServer
from tests.employees import Connection, employee, hire
from tests.integration.signing_in import Browser, pages_with_auth, recorded
from webhook_service.policy import Policy
from webhook_service.settings import Settings


@pytest.fixture
def with_auth(settings: Settings) -> Iterator[tuple[Browser, AuthServer]]:
    """A browser in which an admin has signed in, and Auth."""
    with pages_with_auth(settings) as (app, server):
        browser = Browser(app)
        browser.signs_in()
        yield browser, server


def send(browser: Browser, path: str, **fields: object) -> TestResponse:
    """Send a form that may have several values of a field."""
    form: MultiDict[str, str] = MultiDict([("csrf_token", browser.token())])
    for name, value in fields.items():
        form.setlist(name, [str(each) for each in (value if isinstance(value, list) else [value])])
    return browser.client.post(path, data=form)


def acts(connection: Connection, action: str) -> list[str | None]:
    return [target for _, did, target in recorded(connection) if did == action]


def text_of(response: TestResponse) -> str:
    return unescape(response.text)


def test_the_preview_names_the_people_and_changes_nothing(browser: Browser, connection: Connection) -> None:
    """The preview names up to 20 people, counts the others, says what will happen, and changes nobody."""
    ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}", last_name="Doe") for n in range(22)]
    page = text_of(send(browser, "/admin/employees/chosen", act="deactivate", employee_id=ids))
    assert "Deactivate 22 employees?" in page
    assert "P0 Doe, p0@example.com" in page
    assert "P20 Doe" not in page
    assert "And 2 more" in page
    assert "MASS_DEACTIVATION_LIMIT allows (10%)" in page
    assert all(employee(connection, each)["is_active"] for each in ids)


def test_employees_who_do_not_fit_are_named_by_reason(browser: Browser, connection: Connection) -> None:
    """The preview says how many of the chosen employees are not changed, and why."""
    ids = [
        hire(connection, "a@example.com", first_name="Ann"),
        hire(connection, None, first_name="Bea"),
        hire(connection, "c@example.com", first_name="Cleo", is_active=False),
        hire(connection, "d@example.com", first_name="Dan"),
        hire(connection, "D@example.com", first_name="Dan"),
    ]
    page = text_of(send(browser, "/admin/employees/chosen", act="create", employee_id=ids))
    assert "Create a login for 1 employee?" in page
    assert "1 of the chosen employees is not changed: there is no e-mail." in page
    assert "1 of the chosen employees is not changed: inactive." in page
    assert "2 of the chosen employees are not changed: another chosen employee has the same e-mail." in page


def test_nobody_chosen_leads_back_to_the_list(browser: Browser) -> None:
    """Without a choice, the admin returns to the list, which says what to do."""
    answer = send(browser, "/admin/employees/chosen", act="deactivate")
    assert answer.status_code == 303
    assert "Choose employees first." in browser.get("/admin/employees").text


@pytest.mark.parametrize("fields", [{"act": "promote"}, {"act": "create", "employee_id": "x"}])
def test_an_unknown_change_is_refused(browser: Browser, fields: dict[str, str]) -> None:
    """A change or an employee that the list does not offer is an error."""
    assert send(browser, "/admin/employees/chosen", **fields).status_code == 422


def test_more_than_a_page_is_refused(browser: Browser) -> None:
    """A choice of more than 50 employees or events is an error."""
    assert send(browser, "/admin/employees/chosen", act="create", employee_id=list(range(51))).status_code == 422
    assert send(browser, "/admin/chosen-events", event_id=list(range(51))).status_code == 422


def test_several_employees_are_deactivated_and_activated(browser: Browser, connection: Connection) -> None:
    """Each chosen employee is changed and audited once. The result names each."""
    ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}") for n in range(3)]
    page = text_of(send(browser, "/admin/employees/chosen/deactivate", employee_id=ids[:2]))
    assert "Deactivate: 2 of 2 done" in page
    assert [employee(connection, each)["is_active"] for each in ids] == [False, False, True]
    assert acts(connection, "deactivate") == [f"employee:{each}" for each in ids[:2]]
    page = text_of(send(browser, "/admin/employees/chosen/activate", employee_id=ids))
    assert "Activate: 2 of 3 done" in page
    assert "Not changed: already active." in page
    assert acts(connection, "activate") == [f"employee:{each}" for each in ids[:2]]


def test_an_error_does_not_stop_the_others(browser: Browser, connection: Connection) -> None:
    """A refusal of the table for one employee is a failure of one line. The others are deactivated."""
    ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}") for n in range(3)]
    connection.execute("alter table employees add constraint boss_stays check (is_active or first_name <> 'P1')")
    page = text_of(send(browser, "/admin/employees/chosen/deactivate", employee_id=ids))
    assert "Deactivate: 2 of 3 done" in page
    assert 'Not changed: The database rule "boss_stays" rejected this change.' in page
    assert [employee(connection, each)["is_active"] for each in ids] == [False, True, False]


def test_logins_of_several_employees_are_created(with_auth: tuple[Browser, AuthServer], connection: Connection) -> None:
    """Each chosen employee gets a login. The temporary passwords are shown once, on the result."""
    browser, _ = with_auth
    ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}") for n in range(3)]
    page = text_of(send(browser, "/admin/employees/chosen/create", employee_id=ids, login="password"))
    assert "Create logins: 3 of 3 done" in page
    passwords = re.findall(r'<code class="text-break">([^<]+)</code>', page)
    assert len(set(passwords)) == 3
    assert all(employee(connection, each)["auth_user_id"] for each in ids)
    assert acts(connection, "create a login") == [f"employee:{each}" for each in ids]
    again = text_of(send(browser, "/admin/employees/chosen/create", employee_id=ids, login="password"))
    assert "Create logins: 0 of 3 done" in again
    assert "Not changed: there is a login already." in again
    assert not any(password in again for password in passwords)


def test_invited_employees_get_no_password(with_auth: tuple[Browser, AuthServer], connection: Connection) -> None:
    """Invited employees get a mail, and the result shows no password."""
    browser, _ = with_auth
    ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}") for n in range(2)]
    page = text_of(send(browser, "/admin/employees/chosen/create", employee_id=ids, login="invite"))
    assert "Create logins: 2 of 2 done" in page
    assert "Created. Supabase was asked to send an invitation." in page
    assert "<code" not in page


def test_the_brake_holds_bans_of_chosen_employees(settings: Settings, connection: Connection) -> None:
    """Bans beyond MASS_DEACTIVATION_LIMIT wait for an admin. The preview and the result say so."""
    connection.execute("update auth_sync_settings set deactivation_limit = '1'")
    with pages_with_auth(replace(settings, policy=Policy(deactivation_limit="1"))) as (app, _):
        browser = Browser(app)
        browser.signs_in()
        ids = [hire(connection, f"p{n}@example.com", first_name=f"P{n}") for n in range(3)]
        send(browser, "/admin/employees/chosen/create", employee_id=ids, login="password")
        preview = text_of(send(browser, "/admin/employees/chosen", act="deactivate", employee_id=ids))
        assert "wait for your decision in the inbox. Until then these logins still work." in preview
        page = text_of(send(browser, "/admin/employees/chosen/deactivate", employee_id=ids))
    assert "Deactivate: 1 of 3 done" in page
    assert page.count("the ban waits for your decision in the inbox.") == 2
    held = connection.execute("select count(*) as n from auth_sync_held_actions").fetchone()
    assert held == {"n": 2}


def test_chosen_events_are_replayed_after_a_preview(browser: Browser, connection: Connection) -> None:
    """The preview lists the chosen events and replays none. Each is then replayed and audited once."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, via, status, outcome, version, auth_user_id,"
        " request_data, error_message) select 'evt-' || n, 'inbound', 'INSERT', 'relay', 'FAILED', 'unreadable', n,"
        " gen_random_uuid(), '{}', 'it is unreadable' from generate_series(1, 2) as n"
    )
    preview = text_of(send(browser, "/admin/chosen-events", event_id=["evt-1", "evt-2", "evt-gone"]))
    assert "Replay 2 events?" in preview
    assert acts(connection, "replay") == []
    page = text_of(send(browser, "/admin/chosen-events/replay", event_id=["evt-2", "evt-1"]))
    assert "0 of 2 events replayed" in page
    assert page.count("Replayed: Unreadable.") == 2
    assert acts(connection, "replay") == ["event:evt-1", "event:evt-2"]


def test_all_rows_of_a_page_are_selected_without_a_script(browser: Browser, connection: Connection) -> None:
    """The link "Select all on this page" leads to the same page with all rows selected."""
    hire(connection, "a@example.com", first_name="Ann")
    hire(connection, "b@example.com", first_name="Bea")
    page = browser.get("/admin/employees?sort=name").text
    assert 'href="/admin/employees?sort=name&amp;select=page" data-select-all' in page
    assert "checked" not in page
    assert browser.get("/admin/employees?sort=name&select=page").text.count(" checked>") == 2


def test_a_form_of_another_site_changes_nobody(browser: Browser, connection: Connection) -> None:
    """Without the token of the form, nobody is changed."""
    employee_id = hire(connection, "a@example.com")
    assert browser.post("/admin/employees/chosen/deactivate", {"employee_id": str(employee_id)}).status_code == 400
    assert employee(connection, employee_id)["is_active"]


@pytest.mark.parametrize("id", ["1" * 5000, "--1", "²", "1_0", " 1"])
def test_an_id_that_is_no_number_of_an_employee_is_refused(browser: Browser, id: str) -> None:
    """An id that the list cannot have sent is refused, whatever it is, and is not an unexpected error."""
    assert send(browser, "/admin/employees/chosen", act="deactivate", employee_id=id).status_code == 422
    assert send(browser, "/admin/employees/chosen/deactivate", employee_id=id).status_code == 422
