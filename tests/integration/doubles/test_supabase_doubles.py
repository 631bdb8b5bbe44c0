"""The doubles of Supabase's extensions have the names, the arguments and the privileges of the real ones."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest


@pytest.fixture
def connection(supabase_database_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(supabase_database_url, autocommit=True) as connection:
        yield connection


Connection = psycopg.Connection[tuple[Any, ...]]


def secret(connection: Connection) -> tuple[Any, ...] | None:
    return connection.execute(
        "select name, description, decrypted_secret, secret <> decrypted_secret from vault.decrypted_secrets"
    ).fetchone()


def test_pgcrypto_is_where_supabase_has_it(connection: Connection) -> None:
    """pgcrypto is in schema `extensions`, for every role and every search path."""
    connection.execute("set search_path = ''")
    connection.execute("set role anon")
    row = connection.execute("select encode(extensions.hmac('a'::bytea, 'key'::bytea, 'sha256'), 'hex')").fetchone()
    assert row == ("780c3db4ce3de5b9e55816fba98f590631d96c075271b26976238d5f4444219b",)


def test_a_secret_is_created_changed_and_read(connection: Connection) -> None:
    """An update of a secret keeps the values that are not passed, and each name is unique."""
    made = connection.execute("select vault.create_secret('whsec_é', 'webhooks', 'signs')").fetchone()
    assert made is not None
    assert secret(connection) == ("webhooks", "signs", "whsec_é", True)
    connection.execute("select vault.update_secret(%s, 'whsec_2')", made)
    assert secret(connection) == ("webhooks", "signs", "whsec_2", True)
    connection.execute("select vault.update_secret(%s, new_name => 'renamed')", made)
    assert secret(connection) == ("renamed", "signs", "whsec_2", True)
    connection.execute("select vault.create_secret('nameless'), vault.create_secret('nameless')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("select vault.create_secret('other', 'renamed')")


def test_the_vault_is_closed_to_the_public(connection: Connection) -> None:
    """service_role may use the vault, but anon and authenticated may not."""
    connection.execute("set role service_role")
    connection.execute("select vault.create_secret('s', 'n')")
    assert secret(connection) == ("n", "", "s", True)
    for role in ("anon", "authenticated"):
        connection.execute(f"set role {role}".encode())
        for query in (b"select from vault.decrypted_secrets", b"select vault.create_secret('s')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query)


def test_every_role_posts_and_reads_all_requests(connection: Connection) -> None:
    """Every role can post and can read the requests of other roles. Headers may carry signatures, but never secrets."""
    connection.execute("set search_path = ''")
    connection.execute("""select net.http_post('http://localhost', '{"b": 1, "a": 2}', headers => '{"x": "y"}')""")
    connection.execute("set role anon")
    connection.execute("select net.http_post(url := 'http://localhost')")
    assert connection.execute(
        "select method, url, headers, body, timeout_milliseconds from net.http_request_queue order by id"
    ).fetchall() == [
        ("POST", "http://localhost", {"x": "y", "Content-Type": "application/json"}, b'{"a": 2, "b": 1}', 5000),
        ("POST", "http://localhost", {"Content-Type": "application/json"}, b"{}", 5000),
    ]


def test_only_json_is_posted(connection: Connection) -> None:
    """Another content type is refused, even if the header's name differs in case."""
    with pytest.raises(psycopg.errors.RaiseException, match="Content-Type"):
        connection.execute("""select net.http_post('http://localhost', headers => '{"content-type": "text/plain"}')""")


def test_a_request_of_a_rolled_back_transaction_is_never_queued(connection: Connection) -> None:
    """The queue is a table, so that a rollback removes the request."""
    with connection.transaction(force_rollback=True):
        connection.execute("select net.http_post('http://localhost')")
    assert connection.execute("select from net.http_request_queue").fetchall() == []
