"""The roles of admins. The endpoints, links and forms are read from the application, so new pages are covered."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect, Rule

from tests.auth_traffic import JANE
from tests.employees import Connection, hire
from tests.integration.bulk_replaying import fail_many
from tests.integration.capturing import auth_on
from tests.integration.signing_in import PAGES, PASSWORD, Browser, admin_in_auth, local, pages
from tests.integration.web.test_pages_security import path_of, state
from webhook_service.ports import Database
from webhook_service.settings import Role, Settings
from webhook_service.web.pages.roles import ENDPOINTS, PERMISSIONS, Permission

ALL_ROLES = replace(PAGES, roles=frozenset((role.value, role) for role in Role))
REFUSED = "This needs one of these roles: "
NO_ROLE_NEEDED = ("session.", "assets.")
"""The blueprints that a visitor may use."""
LINK = re.compile(r'(?:href|action)="(/admin[^"#]*)"')
FORM = re.compile(r"<form\b[^>]*>")
SHARED = "frontdesk@example.com"


def admin_rules(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Yield each rule of the pages behind the sign-in, and its method."""
    for rule in app.url_map.iter_rules():
        is_page = rule.rule.startswith("/admin/") and not rule.rule.startswith("/admin/api")
        if is_page and rule.endpoint != "start" and not rule.endpoint.startswith(NO_ROLE_NEEDED):
            for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield rule, method


def requests_of(app: Flask, role: Role, *, allowed: bool) -> list[tuple[str, str]]:
    """Return (method, path) of each request that the role may make, or may not make."""
    return [
        (method, path_of(rule))
        for rule, method in admin_rules(app)
        if (ENDPOINTS[rule.endpoint] in PERMISSIONS[role]) is allowed
    ]


def with_role(app: Flask, url: str, *roles: str) -> Browser:
    """Return a browser in which an admin with this `role` in app_metadata is signed in."""
    email = f"{'-'.join(roles)}@example.com"
    admin_in_auth(url, email, user := uuid4(), role="")
    with auth_on(url) as auth:
        auth.set_app_metadata(user, {"role": roles[0] if len(roles) == 1 else list(roles)})
    browser = Browser(app)
    assert browser.signs_in(email=email, password=PASSWORD).status_code == 303
    return browser


def sends(browser: Browser, method: str, path: str) -> Any:
    form = {"csrf_token": browser.token(), "is_active": "false", "status": "FAILED", "reason": "shared_email"}
    return browser.get(path) if method == "GET" else browser.post(path, form)


@pytest.fixture
def world(settings: Settings, connection: Connection, database: Database, database_url: str) -> Iterator[Flask]:
    """Pages with a failed event, an ambiguous one, and employees with, without and with an ambiguous login."""
    fail_many(connection, database, 2)
    for name in ("Alma", "Otto"):
        hire(connection, SHARED, first_name=name)
    hire(connection, "sam@example.com", auth_user_id=JANE)
    with auth_on(database_url) as auth:
        auth.admin_create("sam@example.com", id=JANE)
        auth.admin_create(SHARED)
    with pages(replace(local(settings), pages=ALL_ROLES)) as app:
        yield app


def test_every_endpoint_needs_a_permission(site: Flask) -> None:
    """Each endpoint behind the sign-in has an entry in ENDPOINTS, and each entry is an endpoint."""
    assert {rule.endpoint for rule, _ in admin_rules(site)} == set(ENDPOINTS)


def test_an_admin_may_do_everything() -> None:
    """The role admin has each permission, and each permission except for reading is refused to a viewer."""
    assert PERMISSIONS[Role.ADMIN] == frozenset(Permission)
    assert PERMISSIONS[Role.VIEWER] == {Permission.READ}
    assert all(Permission.READ in permissions for permissions in PERMISSIONS.values())


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_a_request_of_another_role_is_refused(
    world: Flask, database_url: str, connection: Connection, role: Role
) -> None:
    """A request that the role does not allow gets a 403 that names a role for it, and changes nothing.

    The audit has an entry for each refused form, with the admin and the object.
    """
    browser = with_role(world, database_url, role.value)
    before = state(connection)
    refused = requests_of(world, role, allowed=False)
    for method, path in refused:
        response = sends(browser, method, path)
        assert (response.status_code, REFUSED in response.text) == (403, True), (method, path)
        assert re.search(r"these roles: .*\badmin\b.* You have: " + role.value, response.text), path
    after = state(connection)
    assert {name for name in before if before[name] != after[name]} == {"auth_sync_audit"}
    entries = connection.execute(
        "select * from auth_sync_audit where action like 'act without%' order by id"
    ).fetchall()
    posts = [path for method, path in refused if method == "POST"]
    assert [(entry["who"], entry["result"]) for entry in entries] == [(f"{role.value}@example.com", "refused")] * len(
        posts
    )
    assert {entry["target"] for entry in entries} <= {None, "employee:1", "event:evt-1", "replay:1"}
    assert all(entry["reason"].startswith(REFUSED) and entry["details"]["endpoint"] in ENDPOINTS for entry in entries)


@pytest.mark.parametrize("role", list(Role))
def test_a_request_that_the_role_allows_is_not_refused(world: Flask, database_url: str, role: Role) -> None:
    """No request that the role allows is refused because of the role."""
    browser = with_role(world, database_url, role.value)
    for method, path in requests_of(world, role, allowed=True):
        response = sends(browser, method, path)
        assert REFUSED not in response.text, (method, path)
        assert response.status_code < 500 or "not configured" in response.text, (method, path)


@pytest.mark.parametrize("role", list(Role))
def test_a_page_shows_only_allowed_links_and_forms(
    world: Flask, database_url: str, connection: Connection, role: Role
) -> None:
    """No page of a role has a link or a form that the role may not use."""
    browser = with_role(world, database_url, role.value)
    events = connection.execute("select event_id from integration_sync_log").fetchall()
    employees = connection.execute("select employee_id from employees").fetchall()
    found = {path for method, path in requests_of(world, role, allowed=True) if method == "GET"}
    found |= {f"/admin/events/{row['event_id']}" for row in events}
    found |= {f"/admin/employees/{row['employee_id']}" for row in employees}
    found |= {"/admin/events?status=FAILED", "/admin/employees?person=nobody"}
    posts = 0
    for path in sorted(found):
        text = browser.get(path).text
        forms = [form for form in FORM.findall(text) if 'method="post"' in form]
        posts += len(forms)
        for target, method in [(link, "GET") for link in LINK.findall(FORM.sub("", text))] + [
            (action[0], "POST") for form in forms if (action := LINK.findall(form))
        ]:
            if (endpoint := endpoint_of(world, target, method)) in ENDPOINTS:
                assert ENDPOINTS[endpoint] in PERMISSIONS[role], (path, target)
        if role is Role.VIEWER:
            assert [LINK.findall(form) for form in forms] in ([["/admin/logout"]], []), path
    assert posts > len(found) // 2


def endpoint_of(app: Flask, target: str, method: str) -> str:
    try:
        return str(app.url_map.bind("localhost").match(target.partition("?")[0], method)[0])
    except (RequestRedirect, MethodNotAllowed, HTTPException):
        return ""


def test_a_lowered_role_takes_effect_at_once(world: Flask, database_url: str, connection: Connection) -> None:
    """An admin who becomes a viewer stays signed in, and may only read from the next request on."""
    browser = with_role(world, database_url, "admin")
    user = user_of(connection, "admin@example.com")
    assert browser.sends("/admin/employees/1/edit", email="new@example.com").status_code == 303
    with auth_on(database_url) as auth:
        auth.set_app_metadata(user, {"role": "viewer"})
    assert browser.sends("/admin/employees/1/edit", email="newer@example.com").status_code == 403
    assert browser.is_in()
    assert "Edit e-mail" not in browser.get("/admin/employees/1").text
    employee = connection.execute("select email from employees where employee_id = 1").fetchone()
    assert employee == {"email": "new@example.com"}


def test_several_roles_add_up(world: Flask, database_url: str) -> None:
    """An admin with a list of roles may do what any of them allows."""
    browser = with_role(world, database_url, "hr", "operator", "unknown")
    assert browser.get("/admin/employees/1/edit").status_code == 200
    assert browser.get("/admin/replays/new").status_code == 200
    for role in (Role.HR, Role.OPERATOR):
        for method, path in requests_of(world, role, allowed=True):
            if method == "GET":
                assert REFUSED not in browser.get(path).text, path


def test_a_holder_of_the_admin_key_is_an_admin(world: Flask) -> None:
    """The admin key gives the role admin."""
    browser = Browser(world)
    browser.signs_in()
    assert browser.get("/admin/employees/new").status_code == 200
    assert browser.get("/admin/replays/new").status_code == 200


def test_another_value_gives_the_role_that_the_setting_says(settings: Settings, database_url: str) -> None:
    """The setting says which role a value of app_metadata gives."""
    team = replace(PAGES, roles=frozenset({("people-team", Role.HR)}))
    with pages(replace(local(settings), pages=team)) as app:
        browser = with_role(app, database_url, "people-team")
        assert browser.get("/admin/employees/new").status_code == 200
        response = browser.get("/admin/replays/new")
        assert (response.status_code, "these roles: operator, admin. You have: hr." in response.text) == (
            403,
            True,
        )


def user_of(connection: Connection, email: str) -> UUID:
    [row] = connection.execute("select id from auth.users where email = %s", [email]).fetchall()
    return UUID(str(row["id"]))


@pytest.mark.parametrize(
    ("role", "selectable"), [(Role.VIEWER, set()), (Role.HR, {"employees"}), (Role.OPERATOR, {"events"})]
)
def test_rows_are_selected_only_by_a_role_that_may_change_them(
    world: Flask, database_url: str, role: Role, selectable: set[str]
) -> None:
    """An admin who may not change the rows of a list sees no check boxes and no buttons for several rows."""
    browser = with_role(world, database_url, role)
    pages = {name: browser.get(f"/admin/{name}").text for name in ("employees", "events")}
    assert {name for name, text in pages.items() if 'id="chosen"' in text} == selectable
    assert {name for name, text in pages.items() if 'form="chosen"' in text} == selectable
