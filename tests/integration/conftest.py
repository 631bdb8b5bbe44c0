"""Fixtures that several test files share."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from tests import supabase_lite_server
from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.admin_api import Api, whole_api
from tests.integration.captured import auth_of
from tests.integration.hiring import Office, office
from tests.integration.misbehaving_servers import Serve, misbehaving_servers
from tests.integration.signing_in import Browser, pages
from webhook_service.auth import stand_in
from webhook_service.ports import Database
from webhook_service.settings import Settings

weak_hash = partial(generate_password_hash, method="pbkdf2:sha256:10")


@pytest.fixture(scope="package", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Hash passwords weakly. The scope is wide because pytest-flask makes the application early."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "generate_password_hash", weak_hash)
        yield


@pytest.fixture(scope="session")
def supabase_lite_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared project of Supabase Lite, of which each module runs a copy."""
    folder = tmp_path_factory.mktemp("supabase_lite_project")
    supabase_lite_server.prepare(folder)
    return folder


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    """Provide Auth's part of the test's database."""
    with auth_of(database_url) as auth:
        yield auth


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a misbehaving server on a free port and returns the port."""
    with misbehaving_servers() as serve:
        yield serve


@pytest.fixture
def site(settings: Settings) -> Iterator[Flask]:
    """Provide the pages without Auth.

    The name is not `app`. With that name, pytest-flask would hold a request open, whose state all requests share.
    """
    with pages(settings) as app:
        yield app


@pytest.fixture
def browser(site: Flask) -> Browser:
    """A browser in which an admin has signed in with the admin key."""
    browser = Browser(site)
    browser.signs_in()
    return browser


@pytest.fixture
def hr(
    settings: Settings, database: Database, connection: Connection, caplog: pytest.LogCaptureFixture
) -> Iterator[Office]:
    """An admin who creates employees with logins through the API, and Supabase Auth."""
    with office(settings, database, connection, caplog) as made:
        yield made


@pytest.fixture
def api(settings: Settings, database: Database, database_url: str) -> Iterator[Api]:
    """The admin API of an application with the stand-in of Auth."""
    with whole_api(settings, database, database_url) as made:
        yield made
