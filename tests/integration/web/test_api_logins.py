"""The admin API links, moves and creates logins, sets passwords and sends invitations, as the dashboard does."""

from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.employees import Connection, employee, entry, hire
from tests.integration.admin_api import Api, audited, fits, reason_of
from tests.integration.captured import relay_all
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.outbound.credentials import REQUESTS
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.web.api import employee_schemas, job_schemas

LOGIN = UUID(int=7)
OF_LOGIN = {"auth_user_id": str(LOGIN), "requested_by": "hr"}
OF_JANE = {"auth_user_id": str(JANE), "requested_by": "hr"}


@pytest.fixture
def two(connection: Connection, database: Database) -> tuple[int, int]:
    """Two employees with one e-mail, so that the login with this e-mail is ambiguous."""
    ann, bob = hire(connection, "desk@example.com"), hire(connection, "desk@example.com")
    signed_up = insert(LOGIN, at=1, email="desk@example.com", email_confirmed_at=CONFIRMED)
    process_batch(database, [work_of(signed_up, "evt-1")], Policy())
    return ann, bob


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> int:
    """An employee with a login."""
    made = hire(connection, "jane@example.com")
    auth.admin_create("jane@example.com", id=JANE)
    relay_all(database)
    return made


def test_a_login_is_linked(api: Api, connection: Connection, two: tuple[int, int]) -> None:
    """The chosen employee gets the login, its ambiguous event succeeds, and the audit has the caller."""
    ann, bob = two
    answer = fits(api.post(f"/employees/{ann}/login", OF_LOGIN), job_schemas.ChosenLogin)
    assert answer == {"employee_id": ann, "auth_user_id": str(LOGIN), "is_replayed": True}
    assert employee(connection, ann)["auth_user_id"] == LOGIN
    assert entry(connection, "evt-1")["status"] == "SUCCESS"
    assert reason_of(api.post(f"/employees/{bob}/login", OF_LOGIN)) == (409, "login_taken")
    assert audited(connection) == [
        ("api:hr", "link a login", f"employee:{ann}", "done"),
        ("api:hr", "link a login", f"employee:{bob}", "refused"),
    ]


def test_a_login_of_nobody_is_not_linked(api: Api, connection: Connection, two: tuple[int, int]) -> None:
    """An unknown employee, an unknown login and a missing login are refused."""
    ann, _ = two
    assert reason_of(api.post("/employees/999/login", OF_LOGIN)) == (404, "employee_not_found")
    assert reason_of(api.post(f"/employees/{ann}/login", OF_JANE)) == (409, "login_not_found")
    assert reason_of(api.post(f"/employees/{ann}/login", {})) == (422, "invalid_query")
    assert employee(connection, ann)["auth_user_id"] is None


def test_a_login_is_moved(api: Api, connection: Connection, jane: int) -> None:
    """The login of an inactive employee moves to the active row of the same person, and the audit has it."""
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    again = hire(connection, "jane@example.com")
    fits(api.post(f"/employees/{again}/moved-login", OF_JANE), job_schemas.LinkedLogin)
    assert employee(connection, again)["auth_user_id"] == JANE
    assert audited(connection)[-1] == ("api:hr", "move a login", f"employee:{again}", "done")


def test_a_login_is_created(api: Api, connection: Connection) -> None:
    """An employee without a login gets one with a password, once. With `invite` there is no password."""
    ann, bob = hire(connection, "ann@example.com"), hire(connection, "bob@example.com")
    answer = api.post(f"/employees/{ann}/new-login", {"requested_by": "hr"})
    created = fits(answer, employee_schemas.CreatedEmployee, 201)
    assert (created["outcome"], bool(created["temporary_password"])) == ("created", True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert str(employee(connection, ann)["auth_user_id"]) == created["auth_user_id"]
    assert reason_of(api.post(f"/employees/{ann}/new-login")) == (409, "has_login")
    invited = fits(api.post(f"/employees/{bob}/new-login", {"invite": True}), employee_schemas.CreatedEmployee, 201)
    assert invited["temporary_password"] is None


def test_a_new_password(api: Api, connection: Connection, jane: int) -> None:
    """A new password is returned once: the repeated answer to the same key does not have it."""
    path, key = f"/employees/{jane}/password", "one"
    answer = api.post(path, OF_JANE, Idempotency_Key=key)
    first = fits(answer, job_schemas.NewPassword)
    assert (bool(first["temporary_password"]), first["password_was_shown"]) == (True, False)
    assert answer.headers["Cache-Control"] == "no-store"
    repeated = fits(api.post(path, OF_JANE, Idempotency_Key=key), job_schemas.NewPassword)
    assert (repeated["temporary_password"], repeated["password_was_shown"]) == (None, True)
    assert audited(connection) == [("api:hr", "set a temporary password", f"employee:{jane}", "done")]


def test_a_password_is_only_for_the_login_that_the_caller_knows(api: Api, connection: Connection, jane: int) -> None:
    """Another login, an inactive employee and an unknown employee get no password."""
    assert reason_of(api.post(f"/employees/{jane}/password", OF_LOGIN)) == (409, "login_changed")
    assert reason_of(api.post("/employees/999/password", OF_JANE)) == (404, "employee_not_found")
    connection.execute("update employees set is_active = false where employee_id = %s", [jane])
    assert reason_of(api.post(f"/employees/{jane}/password", OF_JANE)) == (409, "inactive")
    assert [result for *_, result in audited(connection)] == ["refused"] * 3


def test_passwords_are_limited(api: Api, jane: int) -> None:
    """A login gets only some new passwords in a time."""
    for _ in range(REQUESTS):
        fits(api.post(f"/employees/{jane}/password", OF_JANE), job_schemas.NewPassword)
    assert reason_of(api.post(f"/employees/{jane}/password", OF_JANE)) == (409, "too_many_requests")


def test_an_invitation(api: Api, connection: Connection, auth: Auth) -> None:
    """An invitation is sent again to an unconfirmed login, and refused for a confirmed one."""
    jane = hire(connection, "jane@example.com", auth_user_id=JANE)
    auth.admin_create("jane@example.com", id=JANE, confirmed=False)
    fits(api.post(f"/employees/{jane}/invitation", OF_JANE), job_schemas.LinkedLogin)
    connection.execute("update auth.users set email_confirmed_at = now()")
    assert reason_of(api.post(f"/employees/{jane}/invitation", OF_JANE)) == (409, "needs_no_invitation")
    assert audited(connection) == [
        ("api:hr", "send an invitation", f"employee:{jane}", "done"),
        ("api:hr", "send an invitation", f"employee:{jane}", "refused"),
    ]
