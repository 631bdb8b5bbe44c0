"""The stand-in for Supabase's schema `auth` has Supabase's tables and privileges, and leaves a real schema alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.auth_traffic import JANE
from tests.integration.migrating import execute, rows, schema_of
from webhook_service.db.embedded import create_auth_schema

OTHER = uuid4()
SAMPLE = Path(__file__).parents[2] / "samples" / "a_insert_unconfirmed_email_signup.json"

TYPES = {
    "uuid": "id instance_id",
    "character varying(255)": (
        "aud role email encrypted_password confirmation_token recovery_token email_change_token_new email_change"
        " email_change_token_current phone_change_token reauthentication_token"
    ),
    "text": "phone phone_change",
    "timestamp with time zone": (
        "email_confirmed_at invited_at confirmation_sent_at recovery_sent_at email_change_sent_at last_sign_in_at"
        " created_at updated_at phone_confirmed_at phone_change_sent_at confirmed_at banned_until"
        " reauthentication_sent_at deleted_at"
    ),
    "jsonb": "raw_app_meta_data raw_user_meta_data",
    "boolean": "is_super_admin is_sso_user is_anonymous",
    "smallint": "email_change_confirm_status",
}
"""The columns of Supabase's auth.users, by type."""


@pytest.fixture
def url(empty_database_url: str) -> str:
    """A database with the stand-in for schema auth."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        create_auth_schema(connection)
    return empty_database_url


def test_the_table_is_supabases(url: str) -> None:
    """The table has the columns of the recorded samples, with Supabase's types."""
    found = rows(
        url,
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'auth.users'::regclass and attnum > 0",
    )
    assert dict(found) == {name: kind for kind, names in TYPES.items() for name in names.split()}
    assert {name for name, _ in found} == set(json.loads(SAMPLE.read_text("utf-8"))["record"])
    assert len(found) == 35


def test_a_row_needs_only_an_id(url: str) -> None:
    """A row needs only an id, and the times that Auth sets have no default."""
    execute(url, "insert into auth.users (id) values ('7d9c1a52-5a0e-4c5b-9f3a-2f6d0c1b8e11')")
    found = rows(url, "select is_sso_user, is_anonymous, created_at, updated_at from auth.users")
    assert found == [(False, False, None, None)]


def test_a_session_belongs_to_a_user(url: str) -> None:
    """A session in auth.sessions belongs to a user, and is deleted with the user."""
    execute(
        url,
        f"insert into auth.users (id) values ('{JANE}');"  # noqa: S608
        f"insert into auth.sessions (id, user_id) values ('{JANE}', '{JANE}')",
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        execute(url, f"insert into auth.sessions (id, user_id) values ('{OTHER}', '{OTHER}')")  # noqa: S608
    execute(url, f"set role supabase_auth_admin; delete from auth.users where id = '{JANE}'")  # noqa: S608
    assert rows(url, "select count(*) from auth.sessions") == [(0,)]


def test_a_second_creation_changes_nothing(url: str) -> None:
    """A second creation of the stand-in changes nothing if both tables exist."""
    before = schema_of(url)
    with psycopg.connect(url, autocommit=True) as connection:
        create_auth_schema(connection)
    assert schema_of(url) == before


def test_an_older_stand_in_gets_the_missing_table(url: str) -> None:
    """An older stand-in without auth.sessions gets this table and keeps its users."""
    whole = schema_of(url)
    execute(url, f"drop table auth.sessions; insert into auth.users (id) values ('{JANE}')")  # noqa: S608
    with psycopg.connect(url, autocommit=True) as connection:
        create_auth_schema(connection)
    assert schema_of(url) == whole
    assert rows(url, "select id from auth.users") == [(JANE,)]


@pytest.mark.parametrize(
    "its_own",
    [
        "drop table auth.users cascade; create table auth.users (id uuid primary key, its_own text)",
        "alter table auth.users add its_own text",
        "alter table auth.users owner to current_user",
        "create table auth.schema_migrations (version text)",
        "create view auth.its_own as select 1 as one",
        "create function auth.uid() returns uuid language sql as 'select null::uuid'",
    ],
)
def test_a_real_project_is_left_alone(url: str, its_own: str) -> None:
    """The auth.users of a real project keeps its definition, owner and privileges, and no other table is created."""
    execute(url, f"drop table auth.sessions; {its_own}")
    before = schema_of(url)
    with psycopg.connect(url, autocommit=True) as connection:
        create_auth_schema(connection)
    assert schema_of(url) == before


def test_concurrent_creations(empty_database_url: str) -> None:
    """Concurrent creations wait for each other and all succeed, even if only auth.sessions is missing."""

    def create(_: int) -> None:
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            create_auth_schema(connection)

    with ThreadPoolExecutor(8) as pool:
        for missing in ("schema auth cascade", "table auth.sessions"):
            execute(empty_database_url, f"drop {missing}")
            list(pool.map(create, range(8)))
            assert rows(empty_database_url, "select count(*) from auth.users, auth.sessions") == [(0,)]


@pytest.mark.parametrize("role", ["service_role", "anon", "authenticated"])
@pytest.mark.parametrize("table", ["users", "sessions"])
def test_the_data_api_cannot_read_it(url: str, role: str, table: str) -> None:
    """The roles of the Data API, including service_role, cannot read either table."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=table):
        execute(url, f"set role {role}; select from auth.{table}")


@pytest.mark.parametrize("table", ["users", "sessions"])
def test_the_migrating_role_may_add_triggers_but_no_objects(url: str, table: str) -> None:
    """As on hosted Supabase, the role postgres can add triggers to the tables, but no objects to the schema."""
    on_table = f"select privilege_type from pg_class, aclexplode(relacl) where oid = 'auth.{table}'::regclass"  # noqa: S608
    on_schema = "select privilege_type from pg_namespace, aclexplode(nspacl) where nspname = 'auth'"
    postgres = "grantee = 'postgres'::regrole"
    may = {right for (right,) in rows(url, f"{on_table} and {postgres}")}
    assert may == {"SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES", "TRIGGER"}
    assert rows(url, f"{on_schema} and {postgres}") == [("USAGE",)]


@pytest.mark.parametrize("table", ["users", "sessions"])
def test_row_level_security_is_on(url: str, table: str) -> None:
    """Row level security is on without a policy, and Auth owns the tables."""
    query = f"select relrowsecurity, relowner::regrole::text from pg_class where oid = 'auth.{table}'::regclass"  # noqa: S608
    assert rows(url, query) == [(True, "supabase_auth_admin")]
    assert rows(url, "select count(*) from pg_policy") == [(0,)]
