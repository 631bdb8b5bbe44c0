"""POST /admin/api/employees creates an employee and a login."""

import re
from uuid import UUID

import pytest

from tests.auth_faults import Call
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, entry, hire
from tests.integration.auth_admins import row
from tests.integration.captured import everything, inbound, relay_all
from tests.integration.capturing import auth_on
from tests.integration.hiring import (
    EMAIL,
    JANE_DOE,
    Office,
    assert_only,
    intents,
    passwords,
    reason_of,
)
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import Settings

pytestmark = pytest.mark.every_employees_table

FURTHER = "add column department text, add column hired_on date, add column salary numeric(10, 2)"


def test_an_employee_and_a_login_are_created(hr: Office) -> None:
    """A creation returns 201 with both ids. The employee has all named columns and the login."""
    hr.connection.execute(f"alter table employees {FURTHER}")
    further = {"department": "Räume & Bau", "hired_on": "2026-12-01", "salary": 4200.5}
    answer = hr.create(**further, is_active=True, requested_by="Ann")
    assert answer.status_code == 201, answer.text
    created = answer.get_json()
    given = {"employee_id", "auth_user_id", "event_id", "outcome", "temporary_password", "password_was_shown"}
    assert created.keys() == given
    stored = employee(hr.connection, created["employee_id"])
    assert {name: stored[name] for name in JANE_DOE} == JANE_DOE
    assert (stored["department"], str(stored["hired_on"]), float(stored["salary"])) == tuple(further.values())
    assert (stored["is_active"], stored["orphaned_at"]) == (True, None)
    assert_only(hr.connection, answer)


def test_the_ledger_records_the_admin(hr: Office) -> None:
    """The ledger has one row for a creation, with the admin, the employee and the auth user."""
    created = hr.create(requested_by="Ann").get_json()
    done = entry(hr.connection, created["event_id"])
    assert (done["status"], done["outcome"], done["direction"], done["via"]) == (
        *("SUCCESS", "created", "outbound", "admin"),
    )
    assert (done["employee_id"], str(done["auth_user_id"])) == (created["employee_id"], created["auth_user_id"])
    assert done["request_data"]["requested_by"] == "api:Ann"
    assert created["outcome"] == "created"


def test_the_password_opens_the_login(hr: Office) -> None:
    """The user can sign in with the returned password, and the e-mail counts as confirmed."""
    created = hr.create().get_json()
    [reported] = [call.body for call in hr.auth.calls if call.method == "POST"]
    assert reported == {
        "id": created["auth_user_id"],
        "email": EMAIL,
        "email_confirm": True,
        "password": created["temporary_password"],
    }
    assert row(hr.connection, UUID(created["auth_user_id"]))["email_confirmed_at"] is not None


def test_no_cache_may_keep_the_password(hr: Office) -> None:
    """The response with a password forbids caching."""
    assert hr.create().headers["Cache-Control"] == "no-store"


def test_passwords_are_random(hr: Office) -> None:
    """Twelve passwords for the same person differ, are long, and contain no word of the personal data.

    Three letters may be in one of them by chance.
    """
    reported = []
    for _ in range(12):
        reported.append(hr.create().get_json()["temporary_password"])
        hr.connection.execute("delete from employees")
        hr.connection.execute("delete from auth.users")
    assert len(set(reported)) == 12
    assert all(re.fullmatch(r"[\w-]{22,}", password, re.ASCII) for password in reported)
    known = [word.lower() for value in JANE_DOE.values() for word in re.findall(r"\w{4,}", str(value))]
    assert [word for word in known for password in reported if word in password.lower()] == []
    shared = [column for column in zip(*reported, strict=True) if len(set(column)) == 1]
    assert shared == []


def test_an_e_mail_is_stored_as_auth_stores_it(hr: Office) -> None:
    """The employee's e-mail is stored in lower case, as Auth stores it."""
    answer = hr.create(email="Jane.DOE@Example.COM")
    assert employee(hr.connection, answer.get_json()["employee_id"])["email"] == EMAIL
    assert_only(hr.connection, answer)


def test_an_invited_employee_has_no_password(hr: Office) -> None:
    """Auth mails the invitation. The e-mail is not confirmed before the invitation is accepted."""
    answer = hr.create(invite=True)
    assert (answer.status_code, answer.get_json()["temporary_password"]) == (201, None)
    assert_only(hr.connection, answer)
    created, mailed = hr.auth.calls
    assert created.body == {"id": answer.get_json()["auth_user_id"], "email": EMAIL, "email_confirm": False}
    assert (mailed.path, mailed.body["email"]) == ("/invite", EMAIL)
    invited = row(hr.connection, UUID(answer.get_json()["auth_user_id"]))
    assert invited["invited_at"] is not None
    assert invited["email_confirmed_at"] is None


def test_an_accepted_invitation_keeps_the_link(hr: Office, database_url: str) -> None:
    """An invited employee is linked from the beginning, and stays linked when the e-mail is confirmed."""
    answer = hr.create(invite=True)
    hr.rest()
    with auth_on(database_url) as auth:
        auth.confirm(UUID(answer.get_json()["auth_user_id"]))
    hr.rest()
    assert_only(hr.connection, answer)


@pytest.mark.parametrize("invite", [False, True])
def test_the_users_own_event_arrives_before_its_employee(hr: Office, invite: bool) -> None:
    """If the new auth user's event is applied before the employee exists, the employee still ends linked."""

    def relay(call: Call) -> None:
        relay_all(hr.database)

    hr.auth.after = relay
    answer = hr.create(invite=invite)
    hr.auth.after = None
    assert {event["outcome"] for event in inbound(hr.connection)} <= {"unmatched", "unconfirmed"}
    hr.rest()
    assert_only(hr.connection, answer)
    known = hr.connection.execute("select auth_user_id::text, employee_id from auth_user_state").fetchall()
    assert known == [{name: answer.get_json()[name] for name in ("auth_user_id", "employee_id")}]


@pytest.mark.parametrize("invite", [False, True])
def test_the_users_own_event_arrives_after_its_employee(hr: Office, invite: bool) -> None:
    """The event of a new auth user, applied after the creation, changes nothing and requests no action."""
    answer = hr.create(invite=invite)
    before = everything(hr.connection, "employees", "auth.users")
    calls = len(hr.auth.calls)
    hr.rest()
    assert {event["outcome"] for event in inbound(hr.connection)} == {"unchanged"}
    assert everything(hr.connection, "employees", "auth.users") == before
    assert len(hr.auth.calls) == calls
    known = hr.connection.execute("select employee_id from auth_user_state").fetchall()
    assert known == [{"employee_id": answer.get_json()["employee_id"]}]


def test_the_relay_does_not_repeat_a_creation(hr: Office) -> None:
    """A creation is settled with its response, so that the relay makes no further call."""
    hr.create()
    calls = len(hr.auth.calls)
    hr.rest()
    assert (intents(hr.connection), len(hr.auth.calls)) == ([("SUCCESS", "created")], calls)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {ADMIN_KEY}"}],
    ids=["none", "wrong", "other scheme"],
)
def test_requests_without_the_admin_key_change_nothing(hr: Office, headers: dict[str, str]) -> None:
    """A request without the admin key gets 401, calls nothing and writes nothing."""
    jane = hire(hr.connection, "somebody@example.com")
    before = everything(hr.connection)
    answers = [hr.post(JANE_DOE, **headers), hr.patch(jane, {"is_active": False}, **headers)]
    assert [(*reason_of(each), each.headers["WWW-Authenticate"]) for each in answers] == [
        (401, "unauthorized", "Bearer")
    ] * 2
    assert (everything(hr.connection), hr.auth.calls) == (before, [])


@pytest.mark.parametrize("invite", [False, True])
def test_a_creation_needs_the_auth_admin_api(
    settings: Settings, database: Database, connection: Connection, invite: bool
) -> None:
    """Without the Auth Admin API, a creation always gets 409 and writes nothing."""
    before = everything(connection)
    client = create_app(settings, database).test_client()
    for _ in range(2):
        answer = client.post(
            "/admin/api/employees",
            json=JANE_DOE | {"invite": invite},
            headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        )
        assert reason_of(answer) == (409, "no_auth_admin")
        assert "Cache-Control" not in answer.headers
    assert everything(connection) == before


def test_auth_receives_each_password_once(hr: Office) -> None:
    """Each password is sent to Auth in one call, and no later call changes it."""
    hr.create()
    assert len(passwords(hr.auth)) == 1
    assert [call.method for call in hr.auth.calls] == ["POST"]
