"""Before the first comparison, no page says that all is well. An admin compares on the dashboard."""

from uuid import UUID

import pytest

from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.signing_in import Browser
from webhook_service.app import create_app
from webhook_service.errors import NotPossible
from webhook_service.ledger import comparison
from webhook_service.ledger.plan import plan
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

GOOD_NEWS = ("All in sync", "Dismissed employees cannot sign in", "In sync", "agree")


@pytest.fixture
def joe(connection: Connection, database_url: str) -> int:
    """An installation on a company whose dismissed employee Joe has a login that was never captured."""
    with auth_on(database_url) as auth:
        connection.execute("set session_replication_role = replica")
        joe = hire(connection, "joe@example.com", first_name="Joe", is_active=False)
        connection.execute("set session_replication_role = origin")
        connection.execute("alter table auth.users disable trigger user")
        auth.admin_create("joe@example.com")
        connection.execute("alter table auth.users enable trigger user")
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    return joe


def test_nothing_is_well_before_the_first_comparison(browser: Browser, joe: int) -> None:
    """Before the first comparison, the overview and the pages of employees say so, with the button that compares."""
    for path in ("/admin/auth-sync", "/admin/employees", f"/admin/employees/{joe}"):
        text = browser.get(path).text
        assert [news for news in GOOD_NEWS if news in text] == [], path
        assert "Compare now" in text, path
    assert "Not compared yet" in browser.get("/admin/auth-sync").text
    assert "Not compared yet" in browser.get(f"/admin/employees/{joe}").text


def test_readyz_names_a_missing_comparison(
    settings: Settings, database: Database, connection: Connection, joe: int
) -> None:
    """/readyz names a missing, an uncorrected and an old comparison, and still answers 200."""
    client = create_app(settings, database).test_client()

    def found() -> str | None:
        answer = client.get("/readyz")
        assert answer.status_code == 200
        says: str | None = answer.get_json().get("comparison")
        return says

    assert found() == "employees and auth users were never compared: run `webhook-service reconcile`"
    comparison.compare(database, Policy(), requested_by="Kim")
    assert "found 1 difference," in (found() or "")
    reconcile(database, Policy(), requested_by="Kim", dry_run=False)
    assert found() is None
    connection.execute("update auth_sync_comparison set at = now() - interval '9 days'")
    assert "was 9 d ago" in (found() or "")


def test_a_comparison_shows_its_result(browser: Browser, connection: Connection, joe: int) -> None:
    """An admin compares, sees the differences and what corrects them, and nothing was changed. The audit has it."""
    assert browser.sends("/admin/comparison").status_code == 303
    text = browser.get("/admin/comparison").text
    assert "Compared: 1 difference." in text
    assert "not corrected yet" in text
    assert "Login that was never seen before: 1" in text
    assert "Login is banned: 1" in text
    assert "webhook-service reconcile" in text
    assert connection.execute("select from employees where auth_user_id is not null").rowcount == 0
    assert connection.execute("select from integration_sync_log").rowcount == 0
    overview = browser.get("/admin/auth-sync").text
    assert "All in sync" not in overview
    assert "1 difference, not corrected yet" in overview
    [row] = connection.execute("select action, result, reason from auth_sync_audit where action ~ 'compare'").fetchall()
    assert tuple(row.values()) == ("compare employees and logins", "done", "1 difference")


def test_a_reconcile_counts_as_a_comparison(
    browser: Browser, connection: Connection, database: Database, joe: int
) -> None:
    """After a reconcile, the overview says how old the comparison is, and that it is old after a week."""
    reconcile(database, Policy(), requested_by="ops", dry_run=False)
    connection.execute(
        "update integration_sync_log set status = 'SUCCESS', outcome = 'disabled', completed_at = now()"
        ", next_attempt_at = null where operation = 'disable_auth_user'"
    )
    connection.execute("update auth_user_state set banned_until = 'infinity'")
    text = browser.get("/admin/auth-sync").text
    assert "All in sync" in text
    assert "The last one was" in text
    connection.execute("update auth_sync_comparison set at = now() - interval '9 days'")
    text = browser.get("/admin/auth-sync").text
    assert "The last one was 9 d ago." in text
    assert "Compare now" in text
    assert "All in sync" not in text


def test_a_comparison_is_bounded(database: Database, joe: int) -> None:
    """A comparison that takes too long ends with the command to run instead, and is not recorded."""
    with pytest.raises(NotPossible) as caught:
        comparison.compare(database, Policy(), requested_by="Kim", max_seconds=-1)
    assert (caught.value.reason, "reconcile --dry-run" in caught.value.detail) == ("comparison_too_long", True)
    assert comparison.last(database) is None


def test_a_failed_comparison_is_said(browser: Browser, connection: Connection, joe: int) -> None:
    """If a comparison is not possible, the page says why, and nothing counts as compared."""
    connection.execute("alter table auth.users rename to hidden")
    browser.sends("/admin/comparison")
    assert "Not compared: This database has no auth.users to compare with." in browser.get("/admin/comparison").text
    assert "Compare now" not in browser.get("/admin/auth-sync").text  # events arrive by webhook only


def test_a_linked_login_whose_state_is_unknown_is_not_in_sync(
    browser: Browser, connection: Connection, joe: int
) -> None:
    """Before the first comparison, a link from before the installation does not count as in sync."""
    connection.execute("set session_replication_role = replica")
    ann = hire(connection, "ann@example.com", auth_user_id=UUID(int=5))
    connection.execute("set session_replication_role = origin")
    assert "In sync" not in browser.get(f"/admin/employees/{ann}").text


def test_a_plan_is_not_a_comparison(database: Database, joe: int) -> None:
    """Only a comparison that an admin can see counts: `plan` alone records nothing."""
    plan(database, Policy())
    assert comparison.last(database) is None
