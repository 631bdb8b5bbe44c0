"""The limits of sign-in attempts, for each address and for each account, counted in the database."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from tests.employees import Connection
from tests.integration.signing_in import EMAIL, PASSWORD, Browser, admin_in_auth, local, pages
from webhook_service.settings import Settings
from webhook_service.web.attempts import ATTEMPTS


def attempts(browser: Browser, count: int = ATTEMPTS, **form: str) -> list[int]:
    return [browser.signs_in(**form).status_code for _ in range(count)]


def wait(connection: Connection, seconds: int) -> None:
    connection.execute("update public.auth_sync_sign_in_attempts set at = at - make_interval(secs => %s)", [seconds])


def test_an_address_has_to_wait(site: Flask, connection: Connection) -> None:
    """After ten attempts, an address must wait exactly as long as Retry-After says. Other addresses need not wait."""
    browser = Browser(site)
    assert attempts(browser, key="wrong") == [401] * ATTEMPTS
    for _ in range(3):
        response = browser.signs_in()
        assert (response.status_code, "Try again in 1 minute." in response.text) == (429, True)
    assert Browser(site, "192.0.2.2").signs_in().status_code == 303
    wait(connection, int(response.headers["Retry-After"]) - 5)
    assert browser.signs_in().status_code == 429
    wait(connection, 5)
    assert attempts(browser, 2, key="wrong") == [401, 429]
    wait(connection, 600)
    assert attempts(browser, ATTEMPTS + 1, key="wrong") == [401] * ATTEMPTS + [429]


def test_all_workers_count_together(settings: Settings, site: Flask) -> None:
    """An attempt that one worker counted counts for all workers."""
    attempts(Browser(site), key="wrong")
    with pages(settings) as another:
        assert Browser(another).signs_in().status_code == 429


def test_an_account_has_one_limit_for_all_addresses(settings: Settings, database_url: str) -> None:
    """An account has one limit for all addresses, and its e-mail may be in any case.

    An attempt from an address that must wait does not count for an account.
    """
    admin_in_auth(database_url)
    with pages(local(settings)) as app:
        tried = [
            Browser(app, f"198.51.100.{number}").signs_in(email=email, password="wrong").status_code
            for number, email in enumerate([EMAIL, EMAIL.upper()] * (ATTEMPTS // 2))
        ]
        assert tried == [401] * ATTEMPTS
        assert Browser(app).signs_in(email=EMAIL, password=PASSWORD).status_code == 429
        assert Browser(app).signs_in().status_code == 303

        attacker, other = Browser(app, "203.0.113.9"), "bob@example.com"
        assert attempts(attacker, key="wrong") == [401] * ATTEMPTS
        assert attempts(attacker, email=other, password="wrong") == [429] * ATTEMPTS
        assert Browser(app).signs_in(email=other, password="wrong").status_code == 401


def test_a_success_gives_no_new_attempts(settings: Settings, database_url: str) -> None:
    """A successful sign-in to one account gives no new attempts for another account."""
    admin_in_auth(database_url)
    with pages(local(settings)) as app:
        browser = Browser(app)
        assert attempts(browser, ATTEMPTS - 1, key="wrong") == [401] * (ATTEMPTS - 1)
        assert browser.signs_in().status_code == 303
        assert browser.signs_in(email="bob@example.com", password="wrong").status_code == 429


def test_addresses_that_count_together(site: Flask, connection: Connection) -> None:
    """An IPv6 address counts with its whole /64 network, and both forms of an IPv4 address count together."""
    for first, second, together in (
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("", "unix:", True),
    ):
        attempts(Browser(site, first), key="wrong")
        assert Browser(site, second).signs_in(key="wrong").status_code == (429 if together else 401), second
        connection.execute("delete from auth_sync_sign_in_attempts")


def test_concurrent_attempts_are_all_counted(site: Flask) -> None:
    """Concurrent attempts have the same limit as successive attempts."""
    browsers = [Browser(site) for _ in range(16)]
    with ThreadPoolExecutor(8) as threads:
        tried = list(threads.map(lambda browser: browser.signs_in(key="wrong").status_code, browsers))
    assert (tried.count(401), tried.count(429)) == (ATTEMPTS, len(browsers) - ATTEMPTS)


def test_sign_ins_are_counted(site: Flask) -> None:
    """The metrics count refused, throttled and successful sign-ins."""
    attempts(Browser(site), key="wrong")
    Browser(site).signs_in()
    Browser(site, "192.0.2.2").signs_in()
    reported = site.test_client().get("/metrics").text
    for result, count in (("refused", ATTEMPTS), ("throttled", 1), ("succeeded", 1), ("failed", 0)):
        assert f'webhook_service_sign_ins_total{{result="{result}"}} {count}.0' in reported
