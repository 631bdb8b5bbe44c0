"""POST /admin/api/employees refuses a taken e-mail, and links an existing login on request."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import JANE
from tests.employees import Connection, employee, entry, hire
from tests.integration.auth_admins import row
from tests.integration.captured import everything, relay_all
from tests.integration.capturing import auth_on
from tests.integration.hiring import (
    AUTHORIZED,
    EMAIL,
    JANE_DOE,
    Office,
    assert_only,
    intents,
    pairs,
    reason_of,
)
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import Settings

Action = Callable[[Auth], object]


@pytest.fixture
def jane(database_url: str) -> UUID:
    """Create an auth user with Jane's e-mail, confirmed, whose event is not applied yet."""
    with auth_on(database_url) as auth:
        return auth.admin_create(EMAIL, id=JANE)


def taken(hr: Office, **body: Any) -> dict[str, Any]:
    """Check that no row was written and Auth was not called, and return the holder that the refusal names."""
    before, calls = everything(hr.connection, "employees", "integration_sync_log", "auth.users"), len(hr.auth.calls)
    answer = hr.create(**body)
    assert reason_of(answer) == (409, "email_taken"), answer.text
    assert everything(hr.connection, "employees", "integration_sync_log", "auth.users") == before
    assert len(hr.auth.calls) == calls
    said = answer.get_json()
    return {name: said[name] for name in ("side", "employee_id", "auth_user_id") if said.get(name) is not None}


@pytest.mark.parametrize("body", [{}, {"invite": True}, {"auth_user_id": str(JANE)}], ids=["new", "invited", "linked"])
@pytest.mark.parametrize("email", [EMAIL, " Jane.DOE@example.com\n", "JANE.DOE@EXAMPLE.COM"])
def test_an_employee_who_has_the_e_mail_is_named(hr: Office, email: str, body: dict[str, Any]) -> None:
    """A 409 names the employee who has the e-mail, even if it differs in case or spaces or the employee is inactive."""
    for is_active in (True, False):
        jane = hire(hr.connection, email, is_active=is_active)
        assert taken(hr, **body) == {"side": "employees", "employee_id": jane}
        hr.connection.execute("delete from employees")


def test_the_same_request_twice_is_refused_the_second_time(hr: Office) -> None:
    """A repeated request is refused with the employee that the first one created."""
    created = hr.create().get_json()
    assert taken(hr) == {"side": "employees", "employee_id": created["employee_id"]}


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
def test_an_auth_user_who_has_the_e_mail_is_named(hr: Office, database_url: str, known: bool, confirmed: bool) -> None:
    """A 409 names the auth user who has the e-mail, before Auth is called and before the user's event is applied."""
    with auth_on(database_url) as auth:
        user = auth.admin_create(EMAIL, confirmed=confirmed)
    if known:
        relay_all(hr.database)
    assert taken(hr) == taken(hr, invite=True) == {"side": "auth", "auth_user_id": str(user)}


def test_an_auth_user_who_is_linked_is_named_with_its_employee(hr: Office, jane: UUID) -> None:
    """A 409 names a linked auth user with the e-mail together with its employee, who has another e-mail."""
    other = hire(hr.connection, "other@example.com", auth_user_id=jane)
    expected = {"side": "auth", "auth_user_id": str(jane), "employee_id": other}
    assert taken(hr) == taken(hr, auth_user_id=str(jane)) == expected


def test_an_e_mail_that_only_auth_knows_is_refused(hr: Office, jane: UUID) -> None:
    """If only Auth knows that an e-mail is taken, the request gets 409 and the creation is undone.

    Auth's tables may be in another database or unreadable, and the event not captured yet.
    """
    hr.connection.execute("grant all on all tables in schema public to service_role")
    hr.connection.execute("alter function auth_sync_email_holder_v1(text) owner to service_role")
    answer = hr.create()
    assert (*reason_of(answer), answer.get_json()["side"]) == (409, "email_taken", "auth")
    assert pairs(hr.connection) == [(None, jane)]
    assert intents(hr.connection) == [("SUCCESS", "undone")]
    assert hr.auth.count("POST") == 1


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_an_existing_login_is_linked(hr: Office, jane: UUID, known: bool) -> None:
    """An existing login is linked with 201, without a password, a call to Auth or a change of the auth user."""
    if known:
        relay_all(hr.database)
    before = row(hr.connection, jane)
    answer = hr.create(auth_user_id=str(jane), requested_by="Ann")
    assert (answer.status_code, answer.get_json()["outcome"]) == (201, "linked")
    assert answer.get_json()["temporary_password"] is None
    stored = employee(hr.connection, answer.get_json()["employee_id"])
    assert {name: stored[name] for name in JANE_DOE} == JANE_DOE
    done = entry(hr.connection, answer.get_json()["event_id"])
    assert (done["status"], done["outcome"], done["auth_user_id"], done["employee_id"]) == (
        *("SUCCESS", "linked"),
        *(jane, stored["employee_id"]),
    )
    assert done["request_data"]["requested_by"] == "api:Ann"
    hr.rest()
    assert_only(hr.connection, answer)
    assert (row(hr.connection, jane), hr.auth.calls) == (before, [])


def test_an_existing_login_is_linked_without_the_auth_admin_api(
    settings: Settings, database: Database, connection: Connection, jane: UUID
) -> None:
    """Linking an existing login needs no Auth Admin API."""
    client = create_app(settings, database).test_client()
    body = JANE_DOE | {"auth_user_id": str(jane)}
    answer = client.post("/admin/api/employees", json=body, headers=AUTHORIZED)
    assert answer.status_code == 201
    assert_only(connection, answer)


NOT_THEIRS: dict[str, Action] = {
    "unconfirmed": lambda auth: auth.admin_create(EMAIL, id=JANE, confirmed=False),
    "invited": lambda auth: auth.invite(EMAIL, id=JANE),
    "another e-mail": lambda auth: auth.admin_create("other@example.com", id=JANE),
    "another user's e-mail": lambda auth: (auth.admin_create("other@example.com", id=JANE), auth.admin_create(EMAIL)),
    "changing to it": lambda auth: auth.request_email_change(auth.admin_create("other@example.com", id=JANE), EMAIL),
    "soft-deleted": lambda auth: auth.soft_delete(auth.admin_create(EMAIL, id=JANE)),
    "hard-deleted": lambda auth: auth.hard_delete(auth.admin_create(EMAIL, id=JANE)),
    "anonymous": lambda auth: auth.anonymous(id=JANE),
    "nobody": lambda auth: None,
}


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
@pytest.mark.parametrize("name", NOT_THEIRS)
def test_a_login_without_this_e_mail_is_not_linked(hr: Office, database_url: str, name: str, known: bool) -> None:
    """A request for a login without this confirmed e-mail gets 409, and no row is written."""
    with auth_on(database_url) as auth:
        NOT_THEIRS[name](auth)
    if known:
        relay_all(hr.database)
    before = everything(hr.connection)
    answer = hr.create(auth_user_id=str(JANE))
    assert (answer.status_code, everything(hr.connection), hr.auth.calls) == (409, before, [])
    assert answer.get_json()["reason"]


def test_a_free_e_mail_is_not_reported_as_taken(hr: Office, database_url: str) -> None:
    """The refusal of an auth user with another e-mail does not call the requested e-mail taken."""
    with auth_on(database_url) as auth:
        auth.admin_create("other@example.com", id=JANE)
    assert hr.create(auth_user_id=str(JANE)).get_json()["reason"] != "email_taken"


def test_a_deleted_users_e_mail_is_free(hr: Office, database_url: str) -> None:
    """The e-mail of a deleted auth user may be given to a new login."""
    with auth_on(database_url) as auth:
        auth.soft_delete(auth.admin_create(EMAIL))
        auth.hard_delete(auth.admin_create(EMAIL, id=uuid4()))
    hr.rest()
    assert hr.create().status_code == 201


def test_an_invitation_for_an_existing_login_is_refused(hr: Office, jane: UUID) -> None:
    """A request with both `invite` and `auth_user_id` gets 422, because they contradict each other."""
    assert reason_of(hr.create(auth_user_id=str(jane), invite=True)) == (422, "invalid_query")
