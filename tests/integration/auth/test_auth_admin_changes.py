"""The contract of AuthAdmin for changes to an auth user. See test_auth_admin.py."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.auth_traffic import JANE
from tests.employees import Connection
from tests.integration.auth_admins import EACH, EMAIL, PASSWORD, Open, local, row, users
from tests.integration.capturing import auth_on
from webhook_service.errors import AuthThrottled, AuthUnavailable, AuthUserNotFound
from webhook_service.events import Account
from webhook_service.ports import AuthAdmin


@pytest.fixture(params=EACH.values(), ids=list(EACH))
def admin(request: pytest.FixtureRequest, database_url: str) -> Iterator[AuthAdmin]:
    opens: Open = request.param
    with opens(database_url) as admin:
        yield admin


def test_a_ban_is_for_good(admin: AuthAdmin, connection: Connection) -> None:
    """A ban lasts a hundred years and changes nothing else. A second ban succeeds."""
    created = admin.create(JANE, EMAIL, password=PASSWORD)
    for _ in range(2):
        banned = admin.update(JANE, banned=True)
        assert banned.banned_until is not None
        assert banned.banned_until > datetime.now(UTC) + timedelta(hours=876_000) - timedelta(minutes=5)
        assert row(connection)["banned_until"] == banned.banned_until
        assert admin.get(JANE) == banned
        assert (banned.email, banned.email_confirmed) == (created.email, created.email_confirmed)


def test_a_ban_is_lifted(admin: AuthAdmin, database_url: str) -> None:
    """The call lifts a ban of any origin and length, and does nothing for a user without a ban."""
    created = admin.create(JANE, EMAIL, password=PASSWORD)
    with auth_on(database_url) as auth:
        auth.ban(JANE, datetime.now(UTC) + timedelta(hours=1))
    for _ in range(2):
        assert admin.update(JANE, banned=False) == created == admin.get(JANE)


@pytest.mark.parametrize("confirmed", [True, False])
def test_an_email_is_changed_at_once(
    admin: AuthAdmin, connection: Connection, database_url: str, confirmed: bool
) -> None:
    """A changed e-mail is in lower case and confirmed at once. No mail is sent, and a ban stays."""
    with auth_on(database_url) as auth:
        auth.admin_create("old@example.com", confirmed=confirmed, id=JANE)
    banned = admin.update(JANE, banned=True)
    changed = admin.update(JANE, email="Jane.Doe@Example.com")
    assert changed == Account(JANE, EMAIL, True, banned.banned_until) == admin.get(JANE)
    assert (row(connection)["email_change"], row(connection)["email_change_sent_at"]) == ("", None)


def test_nothing_to_change(admin: AuthAdmin, connection: Connection) -> None:
    """An update without changes returns the user and does not write its row."""
    created = admin.create(JANE, EMAIL, password=PASSWORD)
    before = row(connection)
    assert admin.update(JANE) == created
    assert row(connection) == before


def test_a_taken_email_is_unavailable(admin: AuthAdmin) -> None:
    """Auth has no error code for a taken e-mail, so the caller must check which user has it.

    A ban in the same call stays.
    """
    admin.create(uuid4(), "bob@example.com", password=PASSWORD)
    created = admin.create(JANE, EMAIL, password=PASSWORD)
    with pytest.raises(AuthUnavailable) as caught:
        admin.update(JANE, email="Bob@example.com", banned=True)
    assert not isinstance(caught.value, AuthThrottled)
    found = admin.get(JANE)
    assert found is not None
    assert (found.email, found.email_confirmed) == (EMAIL, created.email_confirmed)
    assert found.banned_until is not None


@pytest.mark.parametrize(
    "changes", [{}, {"banned": True}, {"banned": False}, {"email": EMAIL}, {"banned": True, "email": EMAIL}], ids=str
)
def test_an_unknown_user_is_not_changed(admin: AuthAdmin, connection: Connection, changes: dict[str, Any]) -> None:
    """An update of an unknown auth user raises AuthUserNotFound."""
    with pytest.raises(AuthUserNotFound) as caught:
        admin.update(JANE, **changes)
    assert (caught.value.reason, caught.value.code) == ("user_not_found", "user_not_found")
    assert users(connection) == 0


def test_an_error_of_the_database_is_not_shown(admin: AuthAdmin, connection: Connection) -> None:
    """A trigger of another application that raises causes AuthUnavailable. The error does not contain its text."""
    admin.create(JANE, EMAIL, password=PASSWORD)
    connection.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'canary %', new.email; end $$;"
        " create trigger refuse before update on auth.users for each row execute function public.refuse()"
    )
    with pytest.raises(AuthUnavailable) as caught:
        admin.update(JANE, banned=True)
    assert "canary" not in f"{caught.value!r}"
    assert EMAIL not in f"{caught.value!r}"


def test_a_locked_row_does_not_block_the_stand_in(database_url: str) -> None:
    """While another transaction holds the user's row, the stand-in soon raises AuthUnavailable.

    Auth itself answers 504.
    """
    with local(database_url) as admin:
        admin.create(JANE, EMAIL, password=PASSWORD)
        with psycopg.connect(database_url) as holder:
            holder.execute("select from auth.users for update")
            with pytest.raises(AuthUnavailable):
                admin.update(JANE, banned=True)
            holder.rollback()
        assert admin.update(JANE, banned=True).banned_until is not None
