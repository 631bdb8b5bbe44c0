"""The contract of AuthAdmin, for Supabase's admin API through supabase-py and for the stand-in in the database.

This file tests reads, creation and deletion. Changes are in test_auth_admin_changes.py, and the failures of a real HTTP
API in test_auth_outages.py.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection
from tests.integration.auth_admins import EACH, EMAIL, PASSWORD, Open, row, users
from tests.integration.captured import inbound
from tests.integration.capturing import auth_on
from tests.ports import free_port
from webhook_service.errors import AuthEmailExists, AuthRefused, AuthUnavailable
from webhook_service.events import Account
from webhook_service.ports import AuthAdmin


@pytest.fixture(params=EACH.values(), ids=list(EACH))
def admin(request: pytest.FixtureRequest, database_url: str) -> Iterator[AuthAdmin]:
    opens: Open = request.param
    with opens(database_url) as admin:
        yield admin


def test_an_unknown_user_is_none(admin: AuthAdmin) -> None:
    """A read of an auth user that does not exist returns None."""
    assert admin.get(JANE) is None


def test_a_user_is_created_with_a_password(admin: AuthAdmin, connection: Connection) -> None:
    """A user that is created with a password has the requested id, and a confirmed e-mail in lower case."""
    created = admin.create(JANE, "Jane.Doe@Example.com", password=PASSWORD)
    assert created == Account(JANE, EMAIL, email_confirmed=True)
    assert admin.get(JANE) == created
    assert row(connection)["email_confirmed_at"] is not None


def test_a_user_is_created_without_a_password(admin: AuthAdmin) -> None:
    """A user that is created without a password has an unconfirmed e-mail, and gets no invitation."""
    assert admin.create(JANE, EMAIL, password=None) == Account(JANE, EMAIL) == admin.get(JANE)


@pytest.mark.parametrize("email", [EMAIL, "JANE.DOE@EXAMPLE.COM"])
@pytest.mark.parametrize("confirmed", [True, False])
def test_an_email_is_created_once(
    admin: AuthAdmin, connection: Connection, database_url: str, email: str, confirmed: bool
) -> None:
    """A user with a taken e-mail is not created. The other user keeps the e-mail, even if it is not confirmed."""
    with auth_on(database_url) as auth:
        auth.admin_create(EMAIL, confirmed=confirmed, id=JANE)
    before = row(connection)
    with pytest.raises(AuthEmailExists) as caught:
        admin.create(uuid4(), email, password=PASSWORD)
    assert (caught.value.reason, caught.value.code) == ("email_exists", "email_exists")
    assert (users(connection), row(connection)) == (1, before)


def test_an_id_is_created_once(admin: AuthAdmin, connection: Connection) -> None:
    """A taken id raises the same error as a taken e-mail."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    before = row(connection)
    with pytest.raises(AuthEmailExists):
        admin.create(JANE, "another@example.com", password=PASSWORD)
    assert (users(connection), row(connection)) == (1, before)


def test_the_email_of_an_sso_user_is_free(admin: AuthAdmin, database_url: str) -> None:
    """A normal user may have the e-mail of an SSO user."""
    with auth_on(database_url) as auth:
        auth.sso_sign_up(EMAIL)
    assert admin.create(JANE, EMAIL, password=PASSWORD).email == EMAIL


@pytest.mark.parametrize(
    "email", ["", "n/a", "jane", "jane@", "jane doe@example.com", " jane@example.com", "jané@x.de"]
)
def test_an_invalid_email_is_refused(admin: AuthAdmin, connection: Connection, email: str) -> None:
    """An invalid e-mail cannot be created, invited or changed to, and the call changes nothing else."""
    bob = uuid4()
    admin.create(bob, "bob@example.com", password=PASSWORD)
    before = row(connection, bob)
    calls: list[Callable[[], object]] = [
        lambda: admin.create(JANE, email, password=PASSWORD),
        lambda: admin.invite(email),
        lambda: admin.update(bob, email=email, banned=True),
    ]
    for call in calls:
        with pytest.raises(AuthRefused) as caught:
            call()
        assert (type(caught.value), caught.value.reason) == (AuthRefused, "auth_refused")
        assert caught.value.code == "validation_failed"
    assert (users(connection), row(connection, bob)) == (1, before)


def test_a_user_is_deleted_for_good(admin: AuthAdmin, connection: Connection, database_url: str) -> None:
    """A deletion removes the user and its sessions, even if the user was soft-deleted.

    The deletion of an unknown user changes nothing.
    """
    bob, gone = uuid4(), uuid4()
    with auth_on(database_url) as auth:
        for user in (JANE, bob, gone):
            auth.sign_up(f"{user}@example.com", auto_confirm=True, id=user)
        auth.soft_delete(gone)
    for user in (JANE, gone, JANE, uuid4()):
        admin.delete(user)
    assert (users(connection), admin.get(JANE), admin.get(gone)) == (1, None, None)
    assert connection.execute("select user_id from auth.sessions").fetchall() == [{"user_id": bob}]


def test_a_soft_deleted_user_is_returned(admin: AuthAdmin, connection: Connection, database_url: str) -> None:
    """A read of a soft-deleted user returns the time of its deletion and no e-mail address."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    with auth_on(database_url) as auth:
        auth.soft_delete(JANE)
    found = admin.get(JANE)
    assert found is not None
    assert found.deleted_at == row(connection)["deleted_at"]
    assert found.deleted_at is not None
    assert found.deleted_at.utcoffset() == timedelta(0)
    assert "@" not in (found.email or "")


def test_a_user_without_an_email(admin: AuthAdmin, database_url: str) -> None:
    """An anonymous user has no e-mail."""
    with auth_on(database_url) as auth:
        auth.anonymous(id=JANE)
    assert admin.get(JANE) == Account(JANE)


def test_an_unconfirmed_user_is_invited(admin: AuthAdmin, connection: Connection) -> None:
    """An unconfirmed user can be invited again, by its e-mail in any case, and stays unconfirmed."""
    admin.create(JANE, EMAIL, password=None)
    for email in (EMAIL, EMAIL.upper()):
        admin.invite(email)
    found = admin.get(JANE)
    assert found == Account(JANE, EMAIL, invited_at=row(connection)["invited_at"])
    assert found.invited_at is not None
    assert users(connection) == 1


def test_an_unknown_email_is_invited(admin: AuthAdmin, connection: Connection) -> None:
    """The invitation of an unknown e-mail creates an unconfirmed auth user."""
    admin.invite("Jane.Doe@Example.com")
    [found] = connection.execute("select * from auth.users").fetchall()
    assert (found["email"], found["email_confirmed_at"]) == (EMAIL, None)
    assert found["invited_at"] is not None


def test_a_confirmed_user_is_not_invited(admin: AuthAdmin, connection: Connection) -> None:
    """The invitation of a confirmed user is refused and changes nothing."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    before = row(connection)
    with pytest.raises(AuthEmailExists):
        admin.invite(EMAIL.upper())
    assert row(connection) == before


def test_calls_are_captured(admin: AuthAdmin, connection: Connection) -> None:
    """The triggers capture each call, because it changes auth.users."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    admin.update(JANE, banned=True)
    admin.delete(JANE)
    assert [event["operation"] for event in inbound(connection, JANE)] == ["INSERT", "UPDATE", "DELETE"]


def test_threads_share_an_admin(admin: AuthAdmin, connection: Connection) -> None:
    """Each of several concurrent calls gets its result. Only one of them creates a user with the same e-mail."""
    people = [uuid4() for _ in range(24)]
    with ThreadPoolExecutor(12) as threads:
        made = list(threads.map(lambda id: admin.create(id, f"{id}@example.com", password=PASSWORD), people))
        reported = list(threads.map(admin.get, people))
        rivals = list(threads.map(lambda _: created(admin, uuid4()), range(12)))
    assert [account.id for account in made] == people
    assert reported == made
    assert rivals.count(True) == 1
    assert users(connection) == len(people) + 1


def created(admin: AuthAdmin, id: UUID) -> bool:
    try:
        admin.create(id, EMAIL, password=PASSWORD)
    except (AuthEmailExists, AuthUnavailable):  # Auth answers 500 to concurrent requests for the same e-mail
        return False
    return True


def test_a_time_that_python_cannot_represent(admin: AuthAdmin, connection: Connection) -> None:
    """A read of a user with an infinite time raises AuthUnavailable. Auth cannot read such a user either."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    connection.execute("update auth.users set banned_until = 'infinity'")
    with pytest.raises(AuthUnavailable):
        admin.get(JANE)


@pytest.mark.parametrize("opens", EACH.values(), ids=list(EACH))
def test_an_unavailable_database(opens: Open) -> None:
    """An outage of the database raises AuthUnavailable without PostgreSQL's text."""
    gone = f"postgresql://canary@127.0.0.1:{free_port()}/canary"
    with opens(gone) as admin:
        calls: list[Callable[[], object]] = [
            lambda: admin.get(JANE),
            lambda: admin.create(JANE, EMAIL, password=PASSWORD),
            lambda: admin.update(JANE, banned=True),
            lambda: admin.invite(EMAIL),
            lambda: admin.delete(JANE),
        ]
        for call in calls:
            with pytest.raises(AuthUnavailable) as caught:
                call()
            assert caught.value.reason in ("auth_unavailable", "auth_unreachable")
            assert "canary" not in f"{caught.value!r}"
