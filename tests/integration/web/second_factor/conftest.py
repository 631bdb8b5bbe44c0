"""An admin with an authenticator app, and the pages with Supabase Auth."""

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.auth_factors import factor
from tests.auth_faults import AuthServer
from tests.employees import Connection
from tests.integration.signing_in import (
    EMAIL,
    PASSWORD,
    Browser,
    admin_in_auth,
    pages_with_auth,
)
from webhook_service.settings import Settings
from webhook_service.web.pages.sign_in import (
    CODE_IS_WRONG,
)

BY_JANE = {"email": EMAIL, "password": PASSWORD}
CODE_PAGE = "/admin/login/code"
TOKEN = "t0kenOf"


@pytest.fixture
def with_auth(settings: Settings, database_url: str) -> Iterator[tuple[Flask, AuthServer]]:
    """The pages with Supabase Auth, in which Jane is an admin with an authenticator app."""
    admin_in_auth(database_url)
    with pages_with_auth(settings) as (app, auth):
        auth.factors = [factor()]
        yield app, auth


@pytest.fixture
def site(with_auth: tuple[Flask, AuthServer]) -> Flask:
    return with_auth[0]


@pytest.fixture
def auth(with_auth: tuple[Flask, AuthServer]) -> AuthServer:
    return with_auth[1]


def waiting(app: Flask, address: str = "192.0.2.1", **form: str) -> Browser:
    """Return a browser in which Jane has sent the right password, and which asks for the code."""
    browser = Browser(app, address)
    response = browser.signs_in(**BY_JANE, **form)
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (303, CODE_PAGE)
    return browser


def sessions_in_auth(connection: Connection) -> list[str]:
    return [row["aal"] for row in connection.execute("select aal from auth.sessions order by created_at").fetchall()]


def is_wrong(response: TestResponse, text: str = CODE_IS_WRONG, status: int = 401) -> bool:
    return (response.status_code, text in response.text) == (status, True)
