"""axe-core on every page, in light and dark, on a desktop and on a phone."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.axe import EVERY_RULE, RULES, RUN
from tests.browser.checked_pages import NO_PAGES, PAGES, WALKED
from tests.browser.company import Company, company_of
from tests.browser.conftest import Watch, served, sign_in, watched
from tests.databases import dropped_afterwards
from tests.employees import hire
from tests.integration.scim.directories import directory
from tests.integration.subscribers.feeding import subscribe
from tests.integration.web.test_inbox import arrives, enter, linked
from webhook_service.ledger import bulk_replay

VIEWER, PASSWORD = "viewer@example.com", "correct horse battery staple"
PUSHED = {"email": "pushed@example.com", "first_name": "Pia", "last_name": "Pushed", "external_id": "x"}
SCREENS: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 320, "height": 640}}


@pytest.fixture(scope="module")
def site(
    new_database: Any, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a server on a company after its day, with each cause of the inbox, and the ids for the paths.

    No relay runs, so a bulk replay keeps running.
    """
    with dropped_afterwards(new_database(migrated_template)) as url, company_of(url) as company:
        company.live_a_day()
        rows = company.hr.execute("select outcome, min(event_id) as id from integration_sync_log group by 1").fetchall()
        places = {str(row["outcome"]): str(row["id"]) for row in rows}
        found = company.hr.execute("select min(employee_id) as id from auth_sync_ambiguous").fetchone()
        assert found is not None
        with company.before_installation():
            company.auth.sign_up("before@example.com")
        company.change("Gustav Holm", "employee_number", "E-1040")  # Nadia Rahman has this number
        company.change("Amara Okafor", "is_active", False)  # no relay performs the ban
        company.database.call("auth_sync_note_auth_v1", p_error="auth_unreachable")
        add_causes(company)
        company.auth.admin_create(VIEWER, app_metadata={"role": "viewer"}, password=PASSWORD)
        subscribe(company.database)
        company.hr.execute(
            "insert into auth_sync_deliveries (subscriber_id, webhook_id, type, payload, order_key, status,"
            " next_attempt_at, completed_at, error) select id, 'evt_1', 'employee.linked', '{}', 'employee 1', 'DEAD',"
            " null, now(), 'status_500' from auth_sync_subscribers"
        )
        begun = bulk_replay.begin(company.database, {"status": "SUCCESS"}, requested_by="Ada")
        places |= {
            "rejected": places["employee_rejected"],
            "needs_login": str(found["id"]),
            "still_in": "1",
            "same_number": str(company.employee("Nadia Rahman")),
            "banned": str(company.employee("Hugo Marchand")),
            "replay": str(begun["id"]),
            "managed": directory(company.database, "entra").create(**PUSHED).id,
        }
        with served(url, tmp_path_factory.mktemp("site"), RELAY="off", ADMIN_ROLES="hr viewer") as server:
            yield server, places


@pytest.mark.campaign
@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_is_accessible(browser: Browser, site: tuple[str, dict[str, str]], axe: str, screen: str) -> None:
    """axe-core finds no violation on any page, in light and dark, and no page scrolls sideways."""
    url, places = site
    violations: list[str] = []

    def check(page: Page, name: str) -> None:
        page.wait_for_load_state()
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            violations.extend(f"{name}, {scheme}: {found}" for found in page.evaluate(RUN, rules))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            violations.append(f"{name}: scrolls sideways")

    with watched(browser, url, viewport=SCREENS[screen], reduced_motion="reduce") as (page, watch):
        page.add_init_script(axe)
        page.goto("/admin/login")
        check(page, "login")
        sign_in(page)
        watch.expected |= {"/admin/events/nothing", "/admin/events", "/admin/employees"}
        watch.expected.add(PAGES["import, no such file"])
        for name, path in PAGES.items():
            page.goto(path.format(**places))
            if name in ("overview", "event, rejected") and page.locator("summary").count():
                page.locator("summary").first.click()
            check(page, name)
        page.goto("/admin/inbox")
        for summary in page.locator("summary").all():
            summary.click()
        check(page, "inbox, opened")
        page.goto("/admin/employees/1")
        page.locator("summary").first.click()
        check(page, "employee, technical details")
        page.goto("/admin/comparison")
        page.get_by_role("button", name="Compare now").click()
        page.get_by_text("not corrected yet").wait_for()
        check(page, "compared")
        page.goto("/admin/auth-sync")
        check(page, "overview, compared")
        dismiss(page, places["rejected"])
        check(page, "event, dismissed")
        create(page, watch, f"{screen}@example.com", lambda state: check(page, f"new employee, {state}"))
        check(page, "created")
        page.goto("/admin/employees/2")
        page.once("dialog", lambda question: question.accept())
        page.get_by_role("button", name="New temporary password").click()
        page.get_by_label("Temporary password").wait_for()
        check(page, "new password")
        page.goto("/admin/directories")
        page.get_by_label("Name of the directory").fill("okta")
        page.get_by_role("button", name="Create the token").click()
        page.get_by_label("Token").wait_for()
        check(page, "new token of a directory")
        page.goto("/admin/directories")
        check(page, "directories, with a token")
        page.goto("/admin/subscribers")
        page.get_by_label("Name", exact=True).fill(f"erp-{screen}")
        page.get_by_label("Address").fill("https://localhost:1/")
        page.get_by_role("button", name="Create the subscriber").click()
        page.get_by_label("Secret").wait_for()
        check(page, "new secret of a subscriber")
        manage_subscriber(page, f"erp-{screen}", lambda state: check(page, f"subscriber, {state}"))
        choose_rows(page, watch, {"desk": "romano", "phone": "dvorak"}[screen], lambda state: check(page, state))
    with watched(browser, url, viewport=SCREENS[screen], reduced_motion="reduce") as (page, watch):
        page.add_init_script(axe)
        watch.expected.add("/admin/employees/new")
        page.goto("/admin/employees/new")
        page.get_by_label("E-mail").fill(VIEWER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").first.click()
        page.get_by_text("This needs one of these roles").wait_for()
        check(page, "page of another role")
        for path in (
            "auth-sync",
            "inbox",
            "employees",
            "employees/1",
            "events",
            f"events/{places['rejected']}",
            "comparison",
        ):
            page.goto(f"/admin/{path}")
            check(page, f"{path}, as a viewer")
    assert not violations, "\n".join(violations)


def create(page: Page, watch: Watch, email: str, check_state: Any) -> None:
    """Submit an invalid form, one with a shared number, and then a valid one."""
    watch.expected.add("/admin/employees/new")
    page.goto("/admin/employees/new")
    page.get_by_label("E-mail").fill("amara.okafor@example.com")
    page.get_by_label("User type").fill("x")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("No employee was created.").wait_for()
    check_state("wrong")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("User type").fill("")
    page.get_by_label("Employee number").fill("E-1040")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("No employee was created yet.").wait_for()
    check_state("shared number")
    page.get_by_label("Employee number").fill("")
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Temporary password").wait_for()


def manage_subscriber(page: Page, name: str, check_state: Any) -> None:
    """Test the subscriber that was created last, replace its secret, and remove it."""
    page.get_by_role("link", name=name).click()
    page.get_by_role("button", name="Send a test event").click()
    page.get_by_text(f"{name} did not accept the test event: private_address").wait_for()
    check_state("tested")
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="Replace the secret").click()
    page.get_by_label("Secret").wait_for()
    check_state("new secret")
    page.get_by_role("link", name=name).click()
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="Remove").click()
    page.get_by_text(f"{name} is removed.").wait_for()


def dismiss(page: Page, event_id: str) -> None:
    """Dismiss the event, unless the test of another screen has dismissed it."""
    page.goto(f"/admin/events/{event_id}")
    if page.get_by_text("Dismiss, because it needs no attention", exact=True).count():
        page.get_by_text("Dismiss, because it needs no attention", exact=True).click()
        page.get_by_label("Reason, which the audit keeps").fill("The intern has left")
        page.get_by_role("button", name="Dismiss").click()
        page.get_by_text("It no longer needs attention.").wait_for()


def choose_rows(page: Page, watch: Watch, person: str, check_state: Any) -> None:
    """Preview and perform the changes of several employees and events. `person` has no login."""
    watch.expected |= {"/admin/employees/chosen", "/admin/chosen-events"}
    for act, title in {"Activate": "Activate", "Deactivate": "Deactivate", "Create logins": "Create a login"}.items():
        page.goto(f"/admin/employees?person={person}&select=page")
        page.get_by_role("button", name=f"{act}…", exact=True).click()
        page.get_by_role("heading", level=1, name=title).wait_for()
        check_state(f"chosen employees, {act}")
    page.get_by_label("With a temporary password").check()
    page.get_by_role("button", name="Create logins", exact=True).click()
    page.get_by_text("Temporary password:").wait_for()
    check_state("chosen employees, created")
    page.goto("/admin/events?outcome=ambiguous&select=page")
    page.get_by_role("button", name="Replay selected…").click()
    page.get_by_role("heading", level=1, name="Replay").wait_for()
    check_state("chosen events")
    page.get_by_role("main").get_by_role("button", name="Replay").last.click()
    page.get_by_role("heading", level=1, name="replayed").wait_for()
    check_state("chosen events, replayed")


def add_causes(company: Company) -> None:
    """Give the inbox each of its causes."""
    connection, now = company.hr, datetime.now(UTC)
    numbers = iter(range(900, 1000))

    def one(name: str, **columns: Any) -> tuple[int, UUID]:
        return linked(connection, name, login := UUID(int=next(numbers)), employee_number=name, **columns), login

    for number in range(25):
        one(f"Held{number}")
    connection.execute("update employees set is_active = false where first_name like 'Held%'")
    ida, login = one("Ida", is_active=False)
    connection.execute(
        "select auth_sync_hold_unclear_v1(jsonb_agg(b))"
        " from (select %s::uuid as auth_user_id, %s::bigint as employee_id) as b",
        [login, ida],
    )
    one("Stan", is_active=False)
    waits = {"status": "PENDING", "outcome": None, "error_message": None, "next_attempt_at": now}
    client = {"outcome": "changed_by_client", "request_data": '{"email": "ceo@example.com"}'}
    for operation, columns, row in (
        ("update_auth_email", {"login_email": "old@example.com"}, client),
        ("disable_auth_user", {"is_active": False}, {}),
        ("disable_auth_user", {"is_active": False}, waits),
        ("update_auth_email", {"login_email": "past@example.com"}, {"request_data": '{"email": "x@example.com"}'}),
    ):
        enter(connection, operation, *one(f"Act{next(numbers)}", **columns), **row)
    one("Mia", login_email="other.mia@example.com")
    hire(connection, "n/a", first_name="Una")
    one("Lena")
    arrives(company.database, "lena@example.com", UUID(int=next(numbers)))
    arrives(company.database, "mia@example.com", UUID(int=next(numbers)))


def test_a_new_installation_is_accessible(browser: Browser, server: str, axe: str) -> None:
    """axe-core finds no violation on the pages of a new installation, which are empty, on the smallest screen."""
    violations: list[str] = []
    with watched(browser, server, viewport=SCREENS["phone"], reduced_motion="reduce") as (page, _):
        page.add_init_script(axe)
        sign_in(page)
        for name in ("auth-sync", "inbox", "events", "employees", "replays", "comparison", "setup"):
            page.goto(f"/admin/{name}")
            violations.extend(f"{name}: {found}" for found in page.evaluate(RUN, EVERY_RULE))
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                violations.append(f"{name}: scrolls sideways")
    assert not violations, "\n".join(violations)


def test_every_page_is_checked(app: Flask) -> None:
    """axe-core runs on each endpoint that answers a GET behind the sign-in, unless it shows no page."""
    of_path = app.url_map.bind("localhost")
    opened = {
        of_path.match(path.partition("?")[0].format_map(defaultdict(lambda: "1")), method="GET")[0]
        for path in PAGES.values()
    }
    endpoints = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin") and "GET" in (rule.methods or ()) and rule.endpoint != "assets.static"
    }
    pages = {endpoint for endpoint in endpoints if endpoint.startswith("api_docs.") or not is_of_api(app, endpoint)}
    assert pages - opened == WALKED.keys() | NO_PAGES.keys()


def is_of_api(app: Flask, endpoint: str) -> bool:
    return all(rule.rule.startswith("/admin/api/") for rule in app.url_map.iter_rules(endpoint))
