"""DATABASE_URL with options of other clients."""

import pytest

from tests.unit.environments import DIRECT, error_of
from webhook_service import config
from webhook_service.db.url import without_foreign_options

ADDRESS = "postgresql://user:secret@db.example.com:6543/postgres"


@pytest.mark.parametrize(
    ("query", "kept", "names"),
    [
        ("pgbouncer=true", "", ("pgbouncer",)),
        ("pgbouncer=true&connection_limit=1&sslmode=require", "?sslmode=require", ("pgbouncer", "connection_limit")),
        ("schema=public", "", ("schema",)),
        ("supa=base-pooler.x&options=-c%20role%3Dx", "?options=-c%20role%3Dx", ("supa",)),
        ("currentSchema=public,extensions&prepareThreshold=0", "", ("currentSchema", "prepareThreshold")),
        ("statement_cache_size=0&application_name=a+b", "?application_name=a+b", ("statement_cache_size",)),
        ("sslmode=verify-full&sslrootcert=ca.crt", "?sslmode=verify-full&sslrootcert=ca.crt", ()),
        ("ssl=true", "?ssl=true", ()),
        ("", "?", ()),
    ],
)
def test_an_option_without_a_meaning_here_is_ignored(query: str, kept: str, names: tuple[str, ...]) -> None:
    """Options for pools and statements of other clients are removed. Options of libpq stay as written."""
    assert without_foreign_options(f"{ADDRESS}?{query}") == (ADDRESS + kept, names)


@pytest.mark.parametrize("url", [ADDRESS, "postgresql://[::1]:5432/postgres", "postgresql:///postgres?host=/tmp"])
def test_other_urls_stay(url: str) -> None:
    """A URL without options of other clients does not change."""
    assert without_foreign_options(url) == (url, ())


@pytest.mark.parametrize(
    ("query", "mentioned"),
    [
        ("schema=hr", "the option schema, but the service uses the schema public only"),
        ("search_path=hr,public", "search_path"),
        ("sslaccept=strict", "sslmode=verify-full"),
        ("sslmode=no-verify", "sslmode that PostgreSQL does not know"),
        ("pgbouncer=true&no_such=1", "does not know: no_such"),
        ("s3cret!!=1", "(unreadable)"),
    ],
)
def test_another_option_is_named(query: str, mentioned: str) -> None:
    """An unknown option, or one that would change the connection or the tables, stops the start with its name."""
    error = error_of(DIRECT | {"DATABASE_URL": f"{ADDRESS}?{query}"})
    assert mentioned in error.detail
    assert "secret" not in error.detail
    assert "s3cret" not in error.detail


def test_ignored_options_are_reported() -> None:
    """The log and doctor report each ignored option in a sentence."""
    environment = DIRECT | {"DATABASE_URL": f"{ADDRESS}?pgbouncer=true&connection_limit=1"}
    assert config.ignored(environment) == [
        "DATABASE_URL: the option pgbouncer of another client is ignored",
        "DATABASE_URL: the option connection_limit of another client is ignored",
    ]
    assert (config.database_url(environment), config.ignored(DIRECT), config.ignored({})) == (ADDRESS, [], [])


@pytest.mark.parametrize(
    ("host", "bind"),
    [("::", "[::]"), ("::1", "[::1]"), ("[::]", "[::]"), ("2001:db8::7", "[2001:db8::7]"), ("0.0.0.0", "0.0.0.0")],  # noqa: S104
)
def test_an_ipv6_host_gets_brackets(host: str, bind: str) -> None:
    """HOST may be an IPv6 address with or without brackets."""
    assert config.load_server({"HOST": host}).host == bind
