"""A form that is sent after the session has ended changes nothing, and the sign-in leads back to its page."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, hire
from tests.integration.signing_in import Browser, Clock, next_of, pages, redirects_to_sign_in
from webhook_service.settings import Settings
from webhook_service.web.pages.interrupted import ENDED, MOST_CHARACTERS, NOT_MADE

TYPED = {"email": "anna@example.com", "first_name": "Anna", "last_name": "Lee", "employee_number": "17"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(settings: Settings, clock: Clock) -> Iterator[Flask]:
    with pages(settings, clock) as app:
        yield app


@pytest.fixture
def ann(connection: Connection) -> int:
    return hire(connection, "ann@example.com", first_name="Ann", last_name="Lee", employee_number="17")


class Visitor(Browser):
    """A browser with a page whose session ends before its form is sent."""

    def opens(self, clock: Clock) -> dict[str, str]:
        """Sign in, open a page, and let the session end. Return the token of the page."""
        self.signs_in()
        token = self.token()
        clock.goes(hours=1)
        return {"csrf_token": token}

    def signs_in_to(self, page: str | None) -> str:
        """Sign in, and return the address to which the sign-in leads."""
        return self.sends("/admin/login", key=ADMIN_KEY, name="Kim", next=page or "").headers["Location"]


def test_a_sign_in_leads_back_to_the_page_of_the_form(site: Flask, clock: Clock, ann: int) -> None:
    """After a form of a session that has ended, the sign-in leads to the page on which the form is."""
    visitor = Visitor(site)
    token = visitor.opens(clock)
    page = f"/admin/employees/{ann}?from=list"
    sent = visitor.post(f"/admin/employees/{ann}/active", token, headers={"Referer": f"http://localhost{page}"})
    assert (redirects_to_sign_in(sent), next_of(sent)) == (True, page)
    assert visitor.signs_in_to(page) == page
    assert visitor.get(page).status_code == 200


@pytest.mark.parametrize(
    ("path", "referrer", "page"),
    [
        ("/admin/employees/new", None, "/admin/employees/new"),
        ("/admin/employees/1/active", None, None),
        ("/admin/employees/1/active", "http://localhost/admin/employees/1/password", None),
        ("/admin/employees/1/active", "http://localhost/nowhere", None),
        ("/admin/employees/1/active", "http://[", None),
    ],
    ids=["a page of its own", "no referer", "a response to a form", "not a page", "malformed"],
)
def test_a_sign_in_never_leads_to_an_address_without_a_page(
    site: Flask, clock: Clock, path: str, referrer: str | None, page: str | None
) -> None:
    """If the page of the form is unknown, or is the response to another form, the sign-in leads to the overview."""
    visitor = Visitor(site)
    token = visitor.opens(clock)
    sent = visitor.post(path, token, headers={"Referer": referrer} if referrer else {})
    assert (redirects_to_sign_in(sent), next_of(sent)) == (True, page)
    assert visitor.signs_in_to(page) == (page or "/admin/auth-sync")


def test_the_admin_reads_that_nothing_was_changed(site: Flask, clock: Clock, connection: Connection, ann: int) -> None:
    """The sign-in page and the page of the form say once that the change was not made."""
    visitor = Visitor(site)
    page = f"/admin/employees/{ann}"
    visitor.post(f"{page}/active", visitor.opens(clock), headers={"Referer": f"http://localhost{page}"})
    assert employee(connection, ann)["is_active"]
    assert ENDED in visitor.get("/admin/login").text
    visitor.signs_in_to(page)
    assert [NOT_MADE in visitor.get(page).text for _ in range(2)] == [True, False]


@pytest.mark.parametrize("form", ["new", "{}/edit"])
def test_the_typed_values_are_on_the_page_again(site: Flask, clock: Clock, ann: int, form: str) -> None:
    """The form shows, once, the values that were typed before the session ended. Nothing is saved."""
    visitor, page = Visitor(site), f"/admin/employees/{form.format(ann)}"
    visitor.post(page, TYPED | visitor.opens(clock))
    assert visitor.signs_in_to(page) == page
    first, second = visitor.get(page).text, visitor.get(page).text
    assert [f'value="{value}"' in first for value in TYPED.values()] == [True] * 4
    assert TYPED["email"] not in second


def test_another_site_cannot_fill_in_a_form(site: Flask, clock: Clock, ann: int) -> None:
    """Values without the token of the session are not kept."""
    visitor, page = Visitor(site), f"/admin/employees/{ann}/edit"
    visitor.opens(clock)
    visitor.post(page, TYPED | {"csrf_token": "invented"})
    visitor.signs_in_to(page)
    assert TYPED["email"] not in visitor.get(page).text


def test_a_form_of_another_site_does_not_sign_out(site: Flask) -> None:
    """A form without a cookie, as browsers send it from another site, leaves the cookie of the browser as it is."""
    answer = Browser(site).post("/admin/employees/new", TYPED)
    assert (redirects_to_sign_in(answer), "Set-Cookie" in answer.headers) == (True, False)


def test_long_values_are_not_kept(site: Flask, clock: Clock, ann: int) -> None:
    """Values that do not fit into a cookie are not kept, and the sign-in works as always."""
    visitor, page = Visitor(site), f"/admin/employees/{ann}/edit"
    visitor.post(page, TYPED | {"last_name": "x" * MOST_CHARACTERS} | visitor.opens(clock))
    assert visitor.signs_in_to(page) == page
    assert TYPED["email"] not in visitor.get(page).text
