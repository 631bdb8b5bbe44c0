"""A dismissal covers the logins of an employee that are not linked: former links and second logins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked, relay_all
from tests.integration.capturing import reconciled
from tests.integration.requested_actions import DISABLE, ENABLE, accounts_of, actions, banned, linked, run_until_idle
from webhook_service.outbound import held
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

JANE = "jane@example.com"
SHARED = held.Reason.SHARED_EMAIL


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    """Return Jane's employee id and auth user."""
    return linked(connection, database, auth, JANE)


def write(connection: Connection, assignment: str) -> None:
    connection.execute(f"update employees set {assignment} where email = '{JANE}'".encode())  # noqa: S608


def requested(connection: Connection) -> set[tuple[str, UUID]]:
    return {(action["operation"], action["auth_user_id"]) for action in actions(connection)}


def sso_login(database: Database, auth: Auth, email: str = JANE) -> UUID:
    """Create a second login of a person by SSO, which is not linked."""
    user = auth.sso_sign_up(email)
    relay_all(database)
    return user


UNLINKED = {
    "dismissed": ["auth_user_id = null", "is_active = false"],
    "dismissed in the same statement": ["auth_user_id = null, is_active = false"],
    "with another e-mail": ["auth_user_id = null", "is_active = false, email = 'former@example.com'"],
    "with another id": ["auth_user_id = null", "employee_id = employee_id + 1000, is_active = false"],
    "with another id before": ["auth_user_id = null, employee_id = employee_id + 1000", "is_active = false"],
}


@pytest.mark.parametrize("way", UNLINKED)
def test_the_login_that_was_linked_last_is_disabled(
    database_url: str, connection: Connection, database: Database, jane: tuple[int, UUID], way: str
) -> None:
    """The login of an employee who is unlinked and then dismissed is banned, and lifted after the activation."""
    for assignment in UNLINKED[way]:
        write(connection, assignment)
    assert requested(connection) == {(DISABLE, jane[1])}
    accounts = accounts_of(database_url, database)
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1]}
    assert reconciled(database).differences == {}
    connection.execute("update employees set is_active = true")
    run_until_idle(accounts, database)
    assert banned(connection) == set()


def test_a_deleted_row_that_was_unlinked_disables_the_login(connection: Connection, jane: tuple[int, UUID]) -> None:
    """The deletion of an employee whose link was removed disables the login."""
    write(connection, "auth_user_id = null")
    connection.execute("delete from employees")
    assert [(action["operation"], action["auth_user_id"]) for action in actions(connection)] == [(DISABLE, jane[1])]


def test_all_remembered_logins_are_disabled(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """Several former logins of one employee are all disabled, but not a login that another employee has now."""
    other, moved = auth.admin_create("j@example.com"), auth.admin_create("joe@example.com")
    for user in (other, moved):
        connection.execute("update employees set auth_user_id = %s", [user])
        auth.update_metadata(user, {"first_name": "Jane"})
        relay_all(database)
    connection.execute("update employees set auth_user_id = null")
    hire(connection, "joe.smith@example.com", auth_user_id=moved)
    connection.execute("delete from integration_sync_log where direction = 'outbound'")
    connection.execute("update employees set is_active = false where employee_id = %s", [jane[0]])
    assert requested(connection) == {(DISABLE, jane[1]), (DISABLE, other)}


def test_a_dismissal_that_was_not_captured_is_found(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """Reconcile finds the login of an unlinked employee who was dismissed without triggers."""
    write(connection, "auth_user_id = null, email = 'former@example.com'")
    with nothing_linked(connection):
        connection.execute("update employees set is_active = false")
    assert reconciled(database).differences == {"not_disabled": 1}
    assert requested(connection) == {(DISABLE, jane[1])}


@pytest.mark.parametrize("way", ["unlinked", "deleted", "second login"])
def test_a_dismissed_admin_may_not_sign_in(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], way: str
) -> None:
    """An unlinked login of a dismissed employee may not sign in to the dashboard, even before it is banned."""
    user = sso_login(database, auth) if way == "second login" else jane[1]
    assert database.call("auth_sync_may_sign_in_v1", p_auth_user_id=str(user)) is True
    if way != "second login":
        write(connection, "auth_user_id = null")
    connection.execute("delete from employees" if way == "deleted" else "update employees set is_active = false")
    assert database.call("auth_sync_may_sign_in_v1", p_auth_user_id=str(user)) is False


@pytest.mark.parametrize("way", ["is_active = false", "deleted", "is_active = false, email = 'x@example.com'"])
def test_a_second_login_is_disabled_too(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], way: str
) -> None:
    """A dismissal covers each auth user that has the employee's confirmed e-mail, and no unconfirmed one."""
    twins = {sso_login(database, auth), sso_login(database, auth)}
    auth.sign_up("jane+x@example.com")
    relay_all(database)
    if way == "deleted":
        connection.execute("delete from employees")
    else:
        write(connection, way)
    assert requested(connection) >= {(DISABLE, user) for user in {jane[1], *twins}}


def test_the_ban_of_a_second_login_is_lifted(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """Activation lifts the bans that the service set, even with a changed e-mail, and no ban of an admin in Auth."""
    twin, other = sso_login(database, auth), sso_login(database, auth)
    auth.ban(other, datetime.now(UTC) + timedelta(days=365 * 100))
    relay_all(database)
    accounts = accounts_of(database_url, database)
    write(connection, "is_active = false")
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1], twin, other}
    connection.execute("update employees set email = 'jane.smith@example.com'")
    run_until_idle(accounts, database)
    connection.execute("update employees set is_active = true")
    run_until_idle(accounts, database)
    assert (ENABLE, twin) in requested(connection)
    assert banned(connection) <= {other}


def test_a_second_login_after_the_dismissal_is_disabled(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """A login that appears after the dismissal with the employee's confirmed e-mail is banned too."""
    write(connection, "is_active = false")
    twin = sso_login(database, auth)
    run_until_idle(accounts_of(database_url, database), database)
    assert banned(connection) == {jane[1], twin}


def test_an_action_of_an_unlinked_login_follows_its_employee(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """A ban of a second login that is performed after the activation is stale."""
    sso_login(database, auth)
    write(connection, "is_active = false")
    with nothing_linked(connection):
        write(connection, "is_active = true")
    assert run_until_idle(accounts_of(database_url, database), database) == {"stale": 2}
    assert banned(connection) == set()


def test_a_login_that_another_employee_may_own_waits_for_an_admin(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """A second login with the e-mail of another active employee is not banned: its ban is held for an admin."""
    twin = sso_login(database, auth)
    other = hire(connection, JANE, auth_user_id=uuid4())
    connection.execute("update employees set is_active = false where employee_id = %s", [jane[0]])
    assert requested(connection) == {(DISABLE, jane[1])}
    found = held.held(database, 5)
    assert [(each["auth_user_id"], each["employee_id"]) for each in found["people"]] == [(str(twin), jane[0])]
    assert employee(connection, other)["is_active"]
    held.release(database, "admin", found["newest_id"], SHARED)
    assert requested(connection) == {(DISABLE, jane[1]), (DISABLE, twin)}


NO_LONGER_THEIRS = {
    "another e-mail": "update employees set email = 'joan@example.com'",
    "no e-mail": "update employees set email = null",
    "inactive": "update employees set is_active = false",
    "inactive with another e-mail": "update employees set is_active = false, email = 'joan@example.com'",
    "deleted": "delete from employees",
}


@pytest.mark.parametrize("change", NO_LONGER_THEIRS)
def test_a_login_that_another_employee_no_longer_may_own_is_disabled(
    database_url: str, connection: Connection, database: Database, jane: tuple[int, UUID], change: str
) -> None:
    """A ban that an active employee with the e-mail has held up is set when this employee no longer has it."""
    write(connection, "auth_user_id = null")
    hire(connection, JANE, auth_user_id=uuid4())
    connection.execute("delete from employees where employee_id = %s", [jane[0]])
    accounts = accounts_of(database_url, database)
    run_until_idle(accounts, database)
    assert banned(connection) == set()
    connection.execute(NO_LONGER_THEIRS[change].encode())
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1]}


def test_a_login_with_the_number_of_an_active_employee_is_disabled_when_the_number_is_free(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """A number decides like an e-mail: a login with it is banned when the last active employee has given it up."""
    other = hire(connection, "joan@example.com", auth_user_id=uuid4(), employee_number="E-7")
    write(connection, "employee_number = 'E-7'")
    twin = sso_login(database, auth, "twin@example.com")
    auth.set_app_metadata(twin, {"employee_number": "E-7"})
    relay_all(database)
    write(connection, "is_active = false")
    accounts = accounts_of(database_url, database)
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1]}
    connection.execute("update employees set employee_number = 'E-8' where employee_id = %s", [other])
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1], twin}


def test_a_login_is_disabled_when_a_dismissed_employee_gets_its_e_mail(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """A login that nobody has is banned when its e-mail becomes that of an inactive employee."""
    stranger = sso_login(database, auth, "stranger@example.com")
    write(connection, "is_active = false")
    write(connection, "email = 'stranger@example.com'")
    run_until_idle(accounts_of(database_url, database), database)
    assert banned(connection) == {jane[1], stranger}


def test_a_login_that_fits_two_inactive_employees_is_disabled(
    database_url: str, connection: Connection, database: Database, auth: Auth
) -> None:
    """A login that cannot be linked, because two inactive employees have its e-mail, is banned after their import."""
    user = sso_login(database, auth)
    connection.execute("insert into employees (email, is_active) values (%s, false), (%s, false)", [JANE, JANE])
    connection.execute("update auth_sync_hires set seen_at = now() - interval '1 minute'")
    relay_all(database)
    run_until_idle(accounts_of(database_url, database), database)
    assert banned(connection) == {user}


def test_an_open_lift_does_not_hide_the_ban_that_an_event_requires(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """If the newest open action lifts a ban, an event enters the ban again, even if an older ban is open."""
    write(connection, "is_active = false")
    write(connection, "is_active = true")
    with nothing_linked(connection):
        write(connection, "is_active = false")
    auth.update_metadata(jane[1], {"first_name": "Janet"})
    relay_all(database)
    assert [action["operation"] for action in actions(connection)] == [DISABLE, ENABLE, DISABLE]


def test_an_activation_does_not_lift_the_ban_of_a_former_colleague(
    database_url: str, connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID]
) -> None:
    """The ban of a deleted colleague's login stays if an employee with the same e-mail is deactivated and activated."""
    linked(connection, database, auth, "joan@example.com")
    connection.execute("delete from employees where employee_id = %s", [jane[0]])
    accounts = accounts_of(database_url, database)
    run_until_idle(accounts, database)
    connection.execute("update employees set is_active = false")
    run_until_idle(accounts, database)
    connection.execute("update employees set is_active = true, email = %s", [JANE])
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1]}
    connection.execute("update employees set is_active = false")
    connection.execute("update employees set is_active = true")
    run_until_idle(accounts, database)
    assert banned(connection) == {jane[1]}


@pytest.mark.parametrize("decide", [held.release, held.discard])
@pytest.mark.parametrize("decided", held.Reason)
def test_a_decision_is_about_the_bans_of_one_reason(
    connection: Connection,
    database: Database,
    auth: Auth,
    jane: tuple[int, UUID],
    decided: held.Reason,
    decide: Callable[[Database, str, int | None, held.Reason], int],
) -> None:
    """A release or discard of a mass deactivation leaves the logins whose owner is not certain, and vice versa."""
    twin = sso_login(database, auth)
    other = hire(connection, JANE, auth_user_id=uuid4())
    connection.execute("select auth_sync_limit_deactivations_v1('0')")
    connection.execute("update employees set is_active = false where employee_id <> %s", [other])
    found = held.held(database, 5)
    reasons = {jane[1]: held.Reason.MASS_DEACTIVATION, twin: SHARED}
    assert {UUID(each["auth_user_id"]): each["reason"] for each in found["people"]} == reasons
    [login] = [user for user, reason in reasons.items() if reason is decided]
    alone = held.held(database, 5, decided)
    assert (alone["count"], [each["auth_user_id"] for each in alone["people"]]) == (1, [str(login)])
    assert decide(database, "admin", found["newest_id"], decided) == 1
    assert requested(connection) == ({(DISABLE, login)} if decide is held.release else set())
    assert [each["reason"] for each in held.held(database, 5)["people"]] == list({*held.Reason} - {decided})


def test_a_held_ban_whose_owner_becomes_uncertain_is_not_released_with_a_mass_deactivation(
    connection: Connection, database: Database, jane: tuple[int, UUID]
) -> None:
    """If a login whose ban is held gets another possible owner, the ban is held for that reason."""
    hire(connection, JANE, auth_user_id=uuid4())
    connection.execute("select auth_sync_limit_deactivations_v1('0')")
    for assignment in ("is_active = false", "auth_user_id = null, is_active = true", "is_active = false"):
        connection.execute(f"update employees set {assignment} where employee_id = {jane[0]}".encode())  # noqa: S608
    [person] = held.held(database, 5)["people"]
    assert (person["auth_user_id"], person["reason"]) == (str(jane[1]), SHARED)


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_dismissal_with_another_employee_id_is_captured(
    connection: Connection, jane: tuple[int, UUID], is_linked: bool
) -> None:
    """A statement that changes employee_id and is_active is captured like any other, for each of its rows."""
    joe = hire(connection, "joe@example.com")
    write(connection, "auth_user_id = auth_user_id" if is_linked else "auth_user_id = null")
    connection.execute("update employees set employee_id = employee_id + 1000, is_active = email <> %s", [JANE])
    assert [(a["operation"], a["auth_user_id"], a["employee_id"]) for a in actions(connection)] == [
        (DISABLE, jane[1], jane[0] + 1000)
    ]
    connection.execute("update employees set employee_id = employee_id + 1000, is_active = true")
    assert {(a["operation"], a["employee_id"]) for a in actions(connection)} == {
        (DISABLE, jane[0] + 1000),
        (ENABLE, jane[0] + 2000),
    }
    assert employee(connection, joe + 2000)["is_active"]


def test_other_ids_alone_request_nothing(connection: Connection, jane: tuple[int, UUID]) -> None:
    """New ids for all employees request no action, and the logins remember the new ids."""
    connection.execute("update employees set employee_id = employee_id + 1000")
    assert actions(connection) == []
    state = connection.execute("select employee_id from auth_user_state").fetchall()
    assert [row["employee_id"] for row in state] == [jane[0] + 1000]
