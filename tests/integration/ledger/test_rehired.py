"""A person who is hired again in a new row: the old inactive row does not stand in the way of the new one."""

from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import newest, nothing_captured, nothing_linked, relay_all
from tests.integration.signing_in import Browser, pages
from webhook_service.errors import NotPossible
from webhook_service.ledger.reconcile import reconcile
from webhook_service.outbound import logins
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

MAIL = "jane@example.com"


def login_of(connection: Connection, employee_id: int) -> UUID | None:
    found: UUID | None = employee(connection, employee_id)["auth_user_id"]
    return found


@pytest.mark.parametrize("key", [{"email": MAIL}, {"email": "other@example.com", "employee_number": "7"}])
@pytest.mark.parametrize("first", ["login", "employees"])
@pytest.mark.parametrize("way", ["events", "reconcile"])
def test_the_one_active_row_is_linked(
    connection: Connection, database: Database, auth: Auth, key: dict[str, str], first: str, way: str
) -> None:
    """Of an old inactive and a new active row with one e-mail or number, the active one is linked, in each order."""

    def sign_up() -> UUID:
        return auth.admin_create(MAIL, app_metadata={"employee_number": "7"} if "employee_number" in key else {})

    def hire_twice() -> int:
        rows = connection.execute(
            "insert into employees (email, employee_number, is_active) select %s, %s, a from unnest(%s) as a"
            " returning employee_id",
            [key["email"], key.get("employee_number"), [False, False, True]],
        ).fetchall()
        return int(rows[-1]["employee_id"])

    if way == "reconcile":
        with nothing_captured(connection), nothing_linked(connection):
            user, new = sign_up(), hire_twice()
        reconcile(database, Policy(), requested_by="test", dry_run=False)
    elif first == "login":
        user = sign_up()
        relay_all(database)
        new = hire_twice()
    else:
        new, user = hire_twice(), sign_up()
        relay_all(database)
    assert login_of(connection, new) == user


def test_a_missing_link_to_the_active_row_is_a_difference(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """Reconcile finds a known login that the one active row of several lacks."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    with nothing_linked(connection):
        hire(connection, MAIL, is_active=False)
        new = hire(connection, MAIL)
    assert reconcile(database, Policy(), requested_by="test", dry_run=False).differences == {"missing_link": 1}
    assert login_of(connection, new) == user


@pytest.mark.parametrize("active", [0, 2])
def test_without_exactly_one_active_row_it_stays_ambiguous(
    connection: Connection, database: Database, auth: Auth, active: int
) -> None:
    """Two inactive rows, or two active ones beside an inactive one, are ambiguous."""
    for number in range(3 if active else 2):
        hire(connection, MAIL, is_active=number < active)
    user = auth.admin_create(MAIL)
    relay_all(database)
    assert newest(connection, user)["outcome"] == "ambiguous"
    assert connection.execute("select from employees where auth_user_id is not null").fetchall() == []


def test_an_import_does_not_link_an_inactive_row_beside_others(
    connection: Connection, database: Database, auth: Auth
) -> None:
    """An inactive row that is added beside an active free one links nothing but the active one."""
    user = auth.admin_create(MAIL)
    relay_all(database)
    with nothing_linked(connection):
        new = hire(connection, MAIL)
    old = hire(connection, MAIL, is_active=False)
    assert login_of(connection, old) is None
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert login_of(connection, new) == user


@pytest.fixture
def rehired(connection: Connection, database: Database, auth: Auth) -> tuple[int, int, UUID]:
    """The old row, which holds the login; the new row; the login."""
    old = hire(connection, MAIL)
    user = auth.admin_create(MAIL)
    relay_all(database)
    connection.execute("update employees set is_active = false")
    return old, hire(connection, MAIL), user


def test_the_monitor_names_the_holder(connection: Connection, rehired: tuple[int, int, UUID]) -> None:
    """Where the old row holds the login, the monitor names that employee beside the new one."""
    old, new, _ = rehired
    query = "select employee_id, sync_status, login_holder from auth_sync_monitor where employee_id = %s"
    assert connection.execute(query.encode(), [new]).fetchone() == {
        "employee_id": new,
        "sync_status": "MISSING_AUTH_UID",
        "login_holder": old,
    }
    found = connection.execute(query.encode(), [old]).fetchone()
    assert found is not None
    assert found["login_holder"] is None


def test_the_dashboard_moves_the_login(
    connection: Connection, settings: Settings, rehired: tuple[int, int, UUID]
) -> None:
    """The new row's page offers to move the login, and the move lets the person sign in again and is audited."""
    old, new, user = rehired
    with pages(settings) as site:
        browser = Browser(site)
        browser.signs_in()
        assert f"Login of employee {old}" in browser.get("/admin/employees").text
        assert "Move it here" in browser.get(f"/admin/employees/{new}").text
        browser.sends(f"/admin/employees/{new}/moved-login", auth_user_id=str(user))
    assert (login_of(connection, old), login_of(connection, new)) == (None, user)
    [newest_action] = connection.execute(
        "select operation, employee_id from integration_sync_log where direction = 'outbound'"
        " and status = 'PENDING' order by id desc limit 1"
    ).fetchall()
    assert newest_action == {"operation": "enable_auth_user", "employee_id": new}
    audit = connection.execute("select who, target from auth_sync_audit where action = 'move a login'").fetchall()
    assert [row["target"] for row in audit] == [f"employee:{new}"]


@pytest.mark.parametrize(
    "change",
    [
        "update employees set is_active = true",
        "update employees set is_active = false",
        "update employees set email = 'other@example.com' where auth_user_id is null",
    ],
)
def test_a_login_is_moved_only_from_the_former_row(
    connection: Connection, database: Database, rehired: tuple[int, int, UUID], change: str
) -> None:
    """The login of an active employee, or of another person, is not moved, and an inactive employee gets none."""
    old, new, user = rehired
    connection.execute(change.encode())
    with pytest.raises(NotPossible) as refused:
        logins.move(database, new, user, requested_by="ann")
    assert refused.value.reason == "login_taken"
    assert login_of(connection, old) == user
