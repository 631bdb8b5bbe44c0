"""An admin links an auth user to an employee, and gives an orphan a login again."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, delete, insert
from tests.employees import Connection, employee, entry, hire
from tests.integration.requested_actions import actions
from tests.integration.signing_in import Browser, local, pages
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import employees
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

pytestmark = pytest.mark.every_employees_table

USER, OTHER = UUID(int=1), UUID(int=2)
OFFICE = "office@example.com"


@pytest.fixture
def browser(settings: Settings) -> Iterator[Browser]:
    with pages(local(settings)) as app:
        browser = Browser(app)
        browser.signs_in()
        yield browser


def arrives(database: Database, webhook: Json, event_id: str) -> str:
    [result] = process_batch(database, [work_of(webhook, event_id)], Policy())
    return str(result.outcome)


def signs_up(database: Database, user: UUID = USER, email: str | None = OFFICE, **columns: Json) -> str:
    webhook = insert(user, **({"email": email, "email_confirmed_at": CONFIRMED} | columns))  # type: ignore[arg-type]
    return arrives(database, webhook, f"evt-{user.int}")


def login_of(connection: Connection, employee_id: int) -> UUID | None:
    login: UUID | None = employee(connection, employee_id)["auth_user_id"]
    return login


def problems(database: Database) -> dict[str, int]:
    return {name: n for name, n in employees.problems(database).items() if name.isupper() and n}


def test_choosing_settles_an_ambiguous_login(browser: Browser, connection: Connection, database: Database) -> None:
    """Linking an ambiguous login to an employee ends the failed event. A second choice links no employee."""
    sam, kim = hire(connection, OFFICE), hire(connection, OFFICE)
    assert signs_up(database) == "ambiguous"
    assert problems(database)["AMBIGUOUS"] == 2
    chosen = {"auth_user_id": str(USER)}
    assert "This login" not in browser.sends(f"/admin/employees/{kim}/login", **chosen).text
    assert browser.sends(f"/admin/employees/{sam}/login", **chosen).status_code == 303
    assert "Login not given" in browser.get(f"/admin/employees/{sam}").text
    assert (login_of(connection, kim), login_of(connection, sam)) == (USER, None)
    assert entry(connection, "evt-1")["status"] == "SUCCESS"
    assert problems(database) == {"MISSING_AUTH_UID": 1}


def test_an_inactive_employee_can_be_chosen_and_is_banned(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """An inactive employee gets the chosen login, and the login is banned.

    The sign-up with the e-mail of two inactive employees already requested a ban.
    """
    gone, _ = hire(connection, OFFICE, is_active=False), hire(connection, OFFICE, is_active=False)
    assert signs_up(database) == "ambiguous"
    browser.sends(f"/admin/employees/{gone}/login", auth_user_id=str(USER))
    assert login_of(connection, gone) == USER
    requested = {
        (action["operation"], action["employee_id"]) for action in actions(connection) if action["status"] != "SUCCESS"
    }
    assert ("disable_auth_user", gone) in requested
    assert {operation for operation, _ in requested} == {"disable_auth_user"}


def test_a_login_without_an_email_can_be_chosen(browser: Browser, connection: Connection, database: Database) -> None:
    """A login can be chosen if it has no e-mail and several employees have its number."""
    first, _ = hire(connection, "a@example.com", employee_number="7"), hire(connection, None, employee_number="7")
    number: Json = {"employee_number": "7"}
    assert signs_up(database, email=None, raw_app_meta_data=number, email_confirmed_at=None) == "ambiguous"
    browser.sends(f"/admin/employees/{first}/login", auth_user_id=str(USER))
    assert login_of(connection, first) == USER
    assert entry(connection, "evt-1")["status"] == "SUCCESS"


def orphan(connection: Connection, database: Database) -> int:
    orphaned = hire(connection, "nora@example.com")
    assert signs_up(database, OTHER, "nora@example.com") == "linked"
    assert arrives(database, delete(OTHER, email="nora@example.com"), "evt-gone") == "orphaned"
    return orphaned


@pytest.mark.parametrize("named", [str(USER), " Private@Example.com "])
def test_an_orphan_gets_a_login_of_another_email(
    browser: Browser, connection: Connection, database: Database, named: str
) -> None:
    """An orphan gets a login that is chosen by its id or its e-mail, and then has Auth's e-mail."""
    orphaned = orphan(connection, database)
    assert signs_up(database, email="private@example.com") == "unmatched"
    browser.sends(f"/admin/employees/{orphaned}/login", auth_user_id=named)
    row = employee(connection, orphaned)
    assert (row["auth_user_id"], row["orphaned_at"], row["email"]) == (USER, None, "private@example.com")
    assert problems(database) == {}


def test_an_orphan_gets_a_new_login(browser: Browser, connection: Connection, database: Database) -> None:
    """An orphan gets a new login with a temporary password that is shown once."""
    orphaned = orphan(connection, database)
    page = browser.sends(f"/admin/employees/{orphaned}/new-login", login="password")
    assert "temporary-password" in page.text
    assert login_of(connection, orphaned) not in (None, OTHER)
    assert problems(database) == {}
    assert browser.sends(f"/admin/employees/{orphaned}/new-login").status_code == 303
    assert "The employee has a login already." in browser.get(f"/admin/employees/{orphaned}").text


def test_an_uncertain_login_is_refused(browser: Browser, connection: Connection, database: Database) -> None:
    """A login is refused if it is unconfirmed, deleted, unknown, another employee's, or one of two with one e-mail."""
    lena, owner = hire(connection, "lena@example.com"), hire(connection, "owner@example.com")
    assert signs_up(database, OTHER, "owner@example.com") == "linked"
    assert signs_up(database, USER, "x@example.com", email_confirmed_at=None) == "unconfirmed"
    assert signs_up(database, UUID(int=3), "gone@example.com") == "unmatched"
    assert arrives(database, delete(UUID(int=3)), "evt-gone") == "unmatched"
    for twin in (4, 5):
        assert signs_up(database, UUID(int=twin), "twins@example.com") == "unmatched"
    typed = (str(USER), "x@example.com", str(OTHER), "owner@example.com", str(UUID(int=3)), str(UUID(int=9)))
    for named in (*typed, "twins@example.com", "", "no-id", "\0", "é" * 5000):
        assert browser.sends(f"/admin/employees/{lena}/login", auth_user_id=named).status_code == 303
        assert "Login not given" in browser.get(f"/admin/employees/{lena}").text, named
    assert (login_of(connection, lena), login_of(connection, owner)) == (None, OTHER)
