"""The stand-in for Supabase Auth writes to auth.users what Auth writes."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import EPOCH
from tests.integration.auth_actions import ACTIONS, BAN_END, RECORDING, statements
from tests.integration.migrating import execute, rows
from webhook_service.auth.stand_in import EmailExists
from webhook_service.auth.stand_in_users import is_email
from webhook_service.db.embedded import create_auth_schema

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def auth(empty_database_url: str) -> Iterator[Auth]:
    """An Auth whose clock advances by a millisecond at each read, and whose statements are recorded."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        create_auth_schema(connection)
        connection.execute(RECORDING)
    clock = (EPOCH + timedelta(milliseconds=n) for n in count())

    def now() -> datetime:
        return next(clock)

    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        yield Auth(connection, now=now)


def user_of(url: str, user: UUID) -> dict[str, Any]:
    [(row,)] = rows(url, f"select to_jsonb(u) from auth.users u where id = '{user}'")  # noqa: S608
    return dict(row)


def sampled() -> list[dict[str, Any]]:
    read = [json.loads(file.read_text("utf-8")) for file in sorted(SAMPLES.glob("*.json"))]
    return [webhook for sample in read for webhook in (sample if isinstance(sample, list) else [sample])]


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_is_auths_statements_in_auths_transactions(empty_database_url: str, auth: Auth, name: str) -> None:
    """An action runs the same INSERTs, UPDATEs and DELETEs as Auth, with the same order, columns and transactions."""
    action, expected = ACTIONS[name]
    user = auth.admin_create("old@example.com")
    execute(empty_database_url, "truncate public.seen")
    action(auth, user)
    assert statements(empty_database_url) == [[set(names.split()) for names in transaction] for transaction in expected]


def test_the_rows_are_those_of_the_samples(empty_database_url: str, auth: Auth) -> None:
    """Each recorded webhook of the real Auth equals a webhook of the stand-in, except for times and hashes."""
    jane, bob = (UUID(sampled()[n]["record"]["id"]) for n in (0, -1))
    auth.sign_up("Jane.Doe@example.com", user_metadata={"full_name": "Jane Doe"}, id=jane)
    auth.confirm(jane)
    auth.sign_in(jane)
    auth.change_email(jane, "jane.smith@example.com")
    auth.ban(jane, BAN_END)
    auth.unban(jane)
    auth.admin_create("bob@example.com", id=bob)
    auth.hard_delete(bob)
    own = [masked(*pair) for pair in rows(empty_database_url, "select was, is_ from public.seen order by number")]
    for webhook in sampled():
        assert masked(webhook["old_record"], webhook["record"]) in own


def masked(*pair: dict[str, Any] | None) -> str:
    """Return the rows as text without the values that differ each time."""
    text = json.dumps(pair, sort_keys=True)
    for pattern in (r'"\d{4}-\d\d-\d\dT[^"]*"', r'"\$2a\$10\$[^"]*"', r'"[0-9a-f]{56}"'):
        text = re.sub(pattern, '"..."', text)
    return text


def test_a_soft_deleted_user_has_no_email(empty_database_url: str, auth: Auth) -> None:
    """A soft delete replaces the e-mail by 43 characters without '@', and the phone by 15.

    It removes the password and the metadata.
    """
    user = auth.admin_create("jane@example.com", user_metadata={"full_name": "Jane Doe"})
    auth.soft_delete(user)
    row = user_of(empty_database_url, user)
    assert re.fullmatch(r"[\w-]{43}", row["email"])
    assert re.fullmatch(r"[\w-]{15}", row["phone"])
    assert row["deleted_at"] is not None
    assert (row["encrypted_password"], row["raw_user_meta_data"], row["raw_app_meta_data"]) == (None, {}, {})


def test_metadata_is_merged(empty_database_url: str, auth: Auth) -> None:
    """Metadata is merged shallowly, and null deletes a key."""
    user = auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane", "last_name": "Doe"})
    auth.update_metadata(user, {"last_name": "Smith", "first_name": None})
    assert user_of(empty_database_url, user)["raw_user_meta_data"] == {"last_name": "Smith", "email_verified": True}


SIGNING_IN: dict[str, Callable[[Auth, UUID], object]] = {
    "sign-up": lambda auth, user: auth.sign_up("new@example.com", auto_confirm=True),
    "SSO sign-up": lambda auth, user: auth.sso_sign_up("new@example.com"),
    "anonymous": lambda auth, user: auth.anonymous(),
    "link of the sign-up": lambda auth, user: auth.confirm(user),
    "password": lambda auth, user: auth.sign_in(user),
    "SSO": lambda auth, user: auth.sso_sign_in(user),
    "link of the new e-mail": lambda auth, user: auth.change_email(user, "new@example.com"),
}
NOT_SIGNING_IN: dict[str, Callable[[Auth, UUID], object]] = {
    "sign-up to be confirmed": lambda auth, user: auth.sign_up("new@example.com"),
    "admin create": lambda auth, user: auth.admin_create("new@example.com"),
    "invitation": lambda auth, user: auth.invite("new@example.com"),
    "refresh": lambda auth, user: auth.refresh(user),
    "ban": lambda auth, user: auth.ban(user, BAN_END),
    "unban": lambda auth, user: auth.unban(user),
    "admin change of e-mail": lambda auth, user: auth.admin_change_email(user, "new@example.com", confirmed=True),
}


@pytest.mark.parametrize("name", SIGNING_IN)
def test_a_sign_in_is_a_session(empty_database_url: str, auth: Auth, name: str) -> None:
    """A sign-in creates a session of the user, with the time of the sign-in."""
    SIGNING_IN[name](auth, auth.admin_create("old@example.com"))
    query = "select s.created_at = u.last_sign_in_at from auth.sessions s join auth.users u on u.id = s.user_id"
    assert rows(empty_database_url, query) == [(True,)]


@pytest.mark.parametrize("name", NOT_SIGNING_IN)
def test_other_actions_change_no_session(empty_database_url: str, auth: Auth, name: str) -> None:
    """Other actions neither create nor end a session. A banned user stays signed in."""
    user = auth.admin_create("old@example.com")
    auth.sign_in(user)
    before = rows(empty_database_url, "select id from auth.sessions")
    NOT_SIGNING_IN[name](auth, user)
    assert rows(empty_database_url, "select id from auth.sessions") == before


def test_a_refresh_changes_the_newest_session(empty_database_url: str, auth: Auth) -> None:
    """A refresh changes only the newest session of the user."""
    user = auth.admin_create("old@example.com")
    auth.sign_in(user)
    auth.sign_in(user)
    auth.refresh(user)
    query = "select refreshed_at is not null from auth.sessions order by created_at"
    assert rows(empty_database_url, query) == [(False,), (True,)]


def test_a_deleted_user_is_signed_out(empty_database_url: str, auth: Auth) -> None:
    """A soft or hard delete ends the user's sessions, and no other sessions."""
    people = [auth.sign_up(f"{name}@example.com", auto_confirm=True) for name in ("jane", "bob", "ann")]
    auth.soft_delete(people[0])
    auth.hard_delete(people[1])
    assert rows(empty_database_url, "select user_id from auth.sessions") == [(people[2],)]


def test_an_invitation(empty_database_url: str, auth: Auth) -> None:
    """An invitation can be repeated until the user has confirmed the e-mail."""
    user = auth.invite("Jane@example.com")
    first = user_of(empty_database_url, user)
    assert (first["email"], first["email_confirmed_at"]) == ("jane@example.com", None)
    assert first["invited_at"] == first["confirmation_sent_at"] is not None
    assert auth.invite("jane@example.com") == user
    second = user_of(empty_database_url, user)
    assert second["invited_at"] > first["invited_at"]
    assert second["confirmation_token"] != first["confirmation_token"]
    auth.confirm(user)
    with pytest.raises(EmailExists):
        auth.invite("jane@example.com")


@pytest.mark.parametrize("text", ["jane@example.com", "Jane.O'Neill+x@a-b.X.COM", "j@localhost", f"{'j' * 250}@x.de"])
def test_an_email_that_auth_accepts(text: str) -> None:
    """Auth accepts an e-mail by its form alone."""
    assert is_email(text)


NO_EMAILS = ["", "jane", "@x.de", "jane@", "jane@x.", "jane@.de", "jane@-x.de", "a@b@c.de", "jane @x.de", "jané@x.de"]


@pytest.mark.parametrize("text", [*NO_EMAILS, "j@x.de\n", f"{'j' * 251}@x.de", '"jane"@x.de', "Jane <jane@x.de>"])
def test_an_email_that_auth_refuses(text: str) -> None:
    """An e-mail has only ASCII, no spaces, no quotes, and a limited length."""
    assert not is_email(text)


def test_an_email_has_one_normal_user(auth: Auth) -> None:
    """An e-mail has at most one normal user, but any number of SSO users."""
    auth.admin_create("jane@example.com")
    auth.sso_sign_up("jane@example.com")
    auth.sso_sign_up("jane@example.com")
    with pytest.raises(psycopg.errors.UniqueViolation):
        auth.admin_create("Jane@Example.com")


def test_an_unknown_user(auth: Auth) -> None:
    """Every action on an unknown user raises LookupError."""
    for action in (auth.confirm, auth.sign_in, auth.refresh, auth.soft_delete, auth.hard_delete):
        with pytest.raises(LookupError):
            action(uuid4())
