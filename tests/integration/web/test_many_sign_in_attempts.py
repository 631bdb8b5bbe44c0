"""Attacks with very many attempts to sign in: the table of attempts, and the time of an attempt, are bounded."""

from flask import Flask

from tests.auth_factors import factor, wrong_totp
from tests.employees import Connection
from tests.integration.signing_in import EMAIL, PASSWORD, Browser, admin_in_auth, pages_with_auth
from webhook_service.settings import Settings
from webhook_service.web.attempts import ATTEMPTS, PER_SECONDS

MOST_ROWS = 20_000
FILL = """
insert into auth_sync_sign_in_attempts (key, left_over, at)
select %s || n, 9, now() - %s::interval + n * interval '1 microsecond' from generate_series(1, %s) as n
"""


def rows(connection: Connection) -> int:
    return connection.execute("select from auth_sync_sign_in_attempts").rowcount


def attempt(connection: Connection, *keys: str) -> float:
    found = connection.execute(
        "select auth_sync_attempt_sign_in_v1(to_jsonb(%s::text[]), %s, %s) as wait", [list(keys), ATTEMPTS, PER_SECONDS]
    ).fetchone()
    assert found is not None
    return float(found["wait"])


def test_throttled_sign_ins_with_many_emails_add_no_rows(site: Flask, connection: Connection) -> None:
    """A throttled address that tries one e-mail after another adds no row."""
    browser = Browser(site)
    for _ in range(ATTEMPTS):
        browser.signs_in(key="wrong")
    before = rows(connection)
    tried = [browser.signs_in(email=f"{n}@example.com", password="x").status_code for n in range(20)]
    assert (tried, rows(connection)) == ([429] * 20, before)


def test_many_addresses_at_a_throttled_account_add_no_rows(connection: Connection) -> None:
    """Attempts for a throttled account add no row for their addresses, which keep all their attempts."""
    for n in range(ATTEMPTS):
        assert attempt(connection, f"from:{n}", "to:a") == 0
    before = rows(connection)
    assert all(attempt(connection, f"from:new-{n}", "to:a") > 0 for n in range(20))
    assert rows(connection) == before


def test_throttled_codes_add_no_rows(settings: Settings, database_url: str, connection: Connection) -> None:
    """A throttled visitor who sends one code after another adds no row, and does not call Auth."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.factors = [factor()]
        browser = Browser(app)
        browser.signs_in(email=EMAIL, password=PASSWORD)
        for _ in range(ATTEMPTS - 1):
            assert browser.sends_code(wrong_totp()).status_code == 401
        before, calls = rows(connection), auth.count()
        assert [browser.sends_code(f"{n:06}").status_code for n in range(20)] == [429] * 20
        assert (rows(connection), auth.count()) == (before, calls)
        assert connection.execute("select from auth_sync_pending_sign_ins").rowcount == 1


def test_old_attempts_are_deleted_by_later_ones(connection: Connection) -> None:
    """Rows of keys that have all their attempts again are deleted, a thousand with each attempt."""
    connection.execute(FILL, ["old:", "1 hour", 2500])
    for left in (1501, 501, 1):
        assert attempt(connection, "from:a") == 0
        assert rows(connection) == left


def test_a_flood_of_attempts_is_bounded_in_rows(connection: Connection) -> None:
    """Over the limit of rows, each attempt deletes the oldest rows. The newest keep their counts."""
    connection.execute(FILL, ["flood:", "1 minute", MOST_ROWS + 2500])
    for _ in range(ATTEMPTS):
        assert attempt(connection, "from:a") == 0
    assert rows(connection) <= MOST_ROWS
    assert attempt(connection, "from:a") > 0
    assert connection.execute("select from auth_sync_sign_in_attempts where key = 'flood:1'").rowcount == 0
    assert connection.execute("select from auth_sync_sign_in_attempts where key = 'flood:22500'").rowcount == 1


def test_an_attempt_among_half_a_million_rows_reads_few(connection: Connection) -> None:
    """An attempt reads a bounded number of rows, however many there are. Plans were made while the table was empty."""
    connection.prepare_threshold = None
    for n in range(7):
        attempt(connection, f"from:{n}")
    connection.execute(FILL, ["flood:", "1 minute", 500_000])
    with connection.transaction():
        attempt(connection, "from:a", "to:a")
        read = connection.execute(
            "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as rows"
            " from pg_stat_xact_user_tables where relname = 'auth_sync_sign_in_attempts'"
        ).fetchone()
    assert read is not None
    assert read["rows"] <= MOST_ROWS + 5000
