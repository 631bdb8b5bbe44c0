"""An admin takes a login away that was given to the wrong employee."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.auth_traffic import CONFIRMED, insert, update
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, entry, hire
from tests.integration.captured import nothing_linked, relay_all
from tests.integration.signing_in import Browser
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
LOGIN = UUID(int=7)


@pytest.fixture
def two(connection: Connection, database: Database) -> tuple[int, int]:
    """Hire Ann and Bob with one e-mail, so that the login with this e-mail is ambiguous."""
    ann = hire(connection, "desk@example.com", first_name="Ann", last_name="Lee")
    bob = hire(connection, "desk@example.com", first_name="Bob", last_name="Fox")
    signed_up = insert(LOGIN, at=1, email="desk@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    return ann, bob


def audited(connection: Connection) -> list[tuple[str, str, str | None]]:
    rows = connection.execute("select action, result, reason from auth_sync_audit where target is not null order by id")
    return [(row["action"], row["result"], row["reason"]) for row in rows.fetchall()]


def test_a_wrong_choice_is_undone(browser: Browser, connection: Connection, two: tuple[int, int]) -> None:
    """After a wrong choice, the login is taken away, needs a choice again, and can be given to the right employee."""
    ann, bob = two
    browser.sends(f"/admin/employees/{ann}/login", auth_user_id=str(LOGIN))
    assert employee(connection, ann)["auth_user_id"] == LOGIN
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    assert employee(connection, ann)["auth_user_id"] is None
    assert entry(connection, "evt-1")["outcome"] == "ambiguous"
    browser.sends(f"/admin/employees/{bob}/login", auth_user_id=str(LOGIN))
    assert employee(connection, bob)["auth_user_id"] == LOGIN
    assert audited(connection) == [
        ("link a login", "done", None),
        ("take a login away", "done", None),
        ("link a login", "done", None),
    ]


def test_the_values_from_before_the_link_are_restored(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """A login that was given by mistake changed the employee's e-mail and names. Both are as before afterwards."""
    ann = hire(connection, "ann@example.com", first_name="Ann", last_name="Lee")
    names = {"first_name": "Joe", "last_name": "Roe"}
    joe = insert(LOGIN, at=1, email="joe@example.com", email_confirmed_at=CONFIRMED, raw_user_meta_data=names)
    process_batch(database, [work_of(joe, "evt-1")], Policy())
    browser.sends(f"/admin/employees/{ann}/login", auth_user_id=str(LOGIN))
    moved = update(LOGIN, at=2, email="roe@example.com", email_confirmed_at=CONFIRMED, raw_user_meta_data=names)
    process_batch(database, [work_of(moved, "evt-2")], Policy())
    changed = employee(connection, ann)
    assert (changed["email"], changed["first_name"]) == ("roe@example.com", "Joe")
    connection.execute("update employees set last_name = 'Lee-Kim' where employee_id = %s", [ann])
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    now = employee(connection, ann)
    assert (now["email"], now["first_name"], now["last_name"]) == ("ann@example.com", "Ann", "Lee-Kim")
    assert now["auth_user_id"] is None
    assert "The employee has the former values again: " in browser.get(f"/admin/employees/{ann}").text


def test_a_login_stays_away(browser: Browser, connection: Connection, database: Database, two: tuple[int, int]) -> None:
    """Neither a later event nor a reconcile gives the login back."""
    ann, _ = two
    browser.sends(f"/admin/employees/{ann}/login", auth_user_id=str(LOGIN))
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    process_batch(
        database,
        [work_of(update(LOGIN, at=3, email="desk@example.com", email_confirmed_at=CONFIRMED), "evt-3")],
        Policy(),
    )
    reconcile(database, Policy(), requested_by="ops", dry_run=False)
    relay_all(database)
    assert employee(connection, ann)["auth_user_id"] is None


def test_a_login_that_would_be_linked_again_is_not_taken_away(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """If only this employee matches the login, nothing is changed, and the page says what to do first."""
    ann = hire(connection, "ann@example.com", first_name="Ann")
    signed_up = insert(LOGIN, at=1, email="ann@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    assert employee(connection, ann)["auth_user_id"] == LOGIN
    assert "Only this employee matches the login" in browser.get(f"/admin/employees/{ann}").text
    assert [result for _, result, _ in audited(connection)] == ["refused"]


def test_a_page_that_is_out_of_date_changes_nothing(
    browser: Browser, connection: Connection, two: tuple[int, int]
) -> None:
    """If the employee has another login than the page showed, nothing is taken away."""
    ann, _ = two
    with nothing_linked(connection):
        connection.execute("update employees set auth_user_id = %s where employee_id = %s", [UUID(int=9), ann])
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    assert employee(connection, ann)["auth_user_id"] == UUID(int=9)
    assert "does not have this login any more" in browser.get(f"/admin/employees/{ann}").text


def test_the_login_of_a_dismissed_employee_stays_banned(
    browser: Browser, connection: Connection, database: Database, two: tuple[int, int]
) -> None:
    """Taking the login away from an inactive employee does not lift the ban."""
    ann, bob = two
    browser.sends(f"/admin/employees/{ann}/login", auth_user_id=str(LOGIN))
    connection.execute("update employees set is_active = false where employee_id in (%s, %s)", [ann, bob])
    browser.sends(f"/admin/employees/{ann}/unlink", auth_user_id=str(LOGIN))
    rows = connection.execute(
        "select operation from integration_sync_log where operation ~ 'able_auth_user'"
    ).fetchall()
    assert {row["operation"] for row in rows} == {"disable_auth_user"}
    assert database.call("auth_sync_dismissed_owner_v1", p_auth_user_id=str(LOGIN)) == ann


def test_the_api_takes_a_login_away(
    site: Flask, connection: Connection, browser: Browser, two: tuple[int, int]
) -> None:
    """The admin API takes a login away, with the name of the caller in the audit, and refuses another login."""
    ann, _ = two
    browser.sends(f"/admin/employees/{ann}/login", auth_user_id=str(LOGIN))
    client = site.test_client()

    def unlink(employee_id: int, login: UUID) -> tuple[int, Any]:
        body = {"auth_user_id": str(login), "requested_by": "hr"}
        answer = client.post(f"/admin/api/employees/{employee_id}/unlink", json=body, headers=KEY)
        return answer.status_code, answer.get_json()

    assert unlink(ann, UUID(int=9))[1]["reason"] == "login_changed"
    assert unlink(999, LOGIN)[0] == 404
    assert unlink(ann, LOGIN) == (200, {"employee_id": ann, "auth_user_id": str(LOGIN), "restored": {}})
    assert employee(connection, ann)["auth_user_id"] is None
    rows = connection.execute("select who, result from auth_sync_audit where action = 'take a login away' order by id")
    assert [tuple(row.values()) for row in rows.fetchall()] == [
        ("api:hr", "refused"),
        ("api:hr", "refused"),
        ("api:hr", "done"),
    ]


def test_a_typed_login_is_confirmed_with_both_names(
    browser: Browser, connection: Connection, two: tuple[int, int]
) -> None:
    """The page that asks names the login and the employee, and changes nothing."""
    ann, _ = two
    text = browser.get(f"/admin/employees/{ann}/login?auth_user_id=desk@example.com").text
    assert "Does this login belong to Ann Lee?" in text
    assert f"desk@example.com, <code>{LOGIN}</code>" in text
    assert employee(connection, ann)["auth_user_id"] is None
    answer = browser.get(f"/admin/employees/{ann}/login?auth_user_id=nobody@example.com")
    assert answer.status_code == 302
    assert "Login not given: No login has this e-mail." in browser.get(f"/admin/employees/{ann}").text
