"""The stand-in for Supabase Auth: what its actions leave in auth.users is what Auth's do."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.auth_traffic import EPOCH
from tests.integration.auth_actions import ACTIONS, BAN_END, RECORDING, statements
from tests.integration.migrating import execute, rows
from webhook_service.auth.stand_in import Auth
from webhook_service.db.embedded import create_auth_schema

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture
def auth(empty_database_url: str) -> Iterator[Auth]:
    """An Auth whose every look at the clock is a millisecond later, and whose statements are recorded."""
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
    """Each INSERT, UPDATE and DELETE, in its order, with the columns it names, in its transaction."""
    action, expected = ACTIONS[name]
    user = auth.admin_create("old@example.com")
    execute(empty_database_url, "truncate public.seen")
    action(auth, user)
    assert statements(empty_database_url) == [[set(names.split()) for names in transaction] for transaction in expected]


def test_the_rows_are_those_of_the_samples(empty_database_url: str, auth: Auth) -> None:
    """Each webhook recorded from the real Auth has its like among ours, but for times and hashes."""
    jane, bob = (UUID(sampled()[n]["record"]["id"]) for n in (0, -1))
    auth.sign_up("Jane.Doe@example.com", user_metadata={"full_name": "Jane Doe"}, id=jane)
    auth.confirm(jane)
    auth.sign_in(jane)
    auth.change_email(jane, "jane.smith@example.com")
    auth.ban(jane, BAN_END)
    auth.unban(jane)
    auth.admin_create("bob@example.com", id=bob)
    auth.hard_delete(bob)
    ours = [masked(*pair) for pair in rows(empty_database_url, "select was, is_ from public.seen order by number")]
    for webhook in sampled():
        assert masked(webhook["old_record"], webhook["record"]) in ours


def masked(*pair: dict[str, Any] | None) -> str:
    """Rows without what is another each time."""
    text = json.dumps(pair, sort_keys=True)
    for pattern in (r'"\d{4}-\d\d-\d\dT[^"]*"', r'"\$2a\$10\$[^"]*"', r'"[0-9a-f]{56}"'):
        text = re.sub(pattern, '"..."', text)
    return text


def test_a_soft_deleted_user_has_no_email(empty_database_url: str, auth: Auth) -> None:
    """What was the e-mail is 43 characters without '@', what was the phone 15; password and metadata are gone."""
    user = auth.admin_create("jane@example.com", user_metadata={"full_name": "Jane Doe"})
    auth.soft_delete(user)
    row = user_of(empty_database_url, user)
    assert re.fullmatch(r"[\w-]{43}", row["email"])
    assert re.fullmatch(r"[\w-]{15}", row["phone"])
    assert row["deleted_at"] is not None
    assert (row["encrypted_password"], row["raw_user_meta_data"], row["raw_app_meta_data"]) == (None, {}, {})


def test_metadata_is_merged(empty_database_url: str, auth: Auth) -> None:
    """Shallowly; null deletes a key."""
    user = auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane", "last_name": "Doe"})
    auth.update_metadata(user, {"last_name": "Smith", "first_name": None})
    assert user_of(empty_database_url, user)["raw_user_meta_data"] == {"last_name": "Smith", "email_verified": True}


def test_an_email_is_one_normal_users_only(auth: Auth) -> None:
    """Several SSO users may have it too."""
    auth.admin_create("jane@example.com")
    auth.sso_sign_up("jane@example.com")
    auth.sso_sign_up("jane@example.com")
    with pytest.raises(psycopg.errors.UniqueViolation):
        auth.admin_create("Jane@Example.com")


def test_a_user_that_is_not_there(auth: Auth) -> None:
    """Every action on it is a LookupError."""
    for action in (auth.confirm, auth.sign_in, auth.refresh, auth.soft_delete, auth.hard_delete):
        with pytest.raises(LookupError):
            action(uuid4())
