"""Browsers on the pages for admins, each with its own cookies, on a real database."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.auth_traffic import JANE
from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.capturing import auth_on
from tests.kept_databases import database_of
from webhook_service.app import create_app
from webhook_service.settings import DirectConnection, PageSettings, Role, Settings, SupabaseConnection

EMAIL = "jane.admin@example.com"
PASSWORD = "correct horse battery staple"
PAGES = PageSettings(secret_key="s3cret" * 8, roles=frozenset({("sync_admin", Role.ADMIN)}))
WEAK_HASH = generate_password_hash(PASSWORD, "pbkdf2:sha256:10")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(slots=True)
class Clock:
    """The application's clock, which tests set forward."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def goes(self, **time: float) -> None:
        self.at += timedelta(**time)


class Browser:
    """A person's browser, which sends forms with the token of the page."""

    def __init__(self, app: Flask, address: str = "192.0.2.1") -> None:
        self.client: FlaskClient = app.test_client()
        self._environ: dict[str, Any] = {"REMOTE_ADDR": address}

    def get(self, path: str, **options: Any) -> TestResponse:
        # Buffered, because the file of an export is read to its end, as a browser does.
        return self.client.get(path, environ_base=self._environ, buffered=True, **options)

    def post(self, path: str, form: Mapping[str, str] | None = None, **options: Any) -> TestResponse:
        return self.client.post(path, data=dict(form or {}), environ_base=self._environ, **options)

    def token(self) -> str:
        """Return the form token of the page at /admin/login, which has a token before and after the sign-in."""
        found = TOKEN.search(self.get("/admin/login").text)
        assert found is not None
        return found[1]

    def sends(self, path: str, **form: str) -> TestResponse:
        return self.post(path, form | {"csrf_token": self.token()})

    def signs_in(self, **form: str) -> TestResponse:
        """Sign in with the admin key, or with the given form."""
        return self.sends("/admin/login", **(form or {"key": ADMIN_KEY, "name": "Kim"}))

    def sends_code(self, code: str, **form: str) -> TestResponse:
        """Send the code of a second factor."""
        return self.sends("/admin/login/code", code=code, **form)

    def is_in(self, path: str = "/admin/audit", **options: Any) -> bool:
        response = self.get(path, **options)
        if response.status_code == 200:
            return True
        assert redirects_to_sign_in(response) or response.status_code == 401
        return False

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie("webhook_service", path="/admin")
        return found.value if found is not None else ""

    @cookie.setter
    def cookie(self, value: str) -> None:
        self.client.set_cookie("webhook_service", value, path="/admin")


def redirects_to_sign_in(response: TestResponse) -> bool:
    return response.status_code == 303 and urlsplit(response.headers["Location"]).path == "/admin/login"


def next_of(response: TestResponse) -> str | None:
    """Return the page to which the sign-in redirects."""
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query)).get("next")


@contextmanager
def pages(settings: Settings, clock: Clock | None = None) -> Iterator[Flask]:
    assert isinstance(settings.connection, DirectConnection)
    with database_of(settings.connection.url) as database:
        app = create_app(settings, database, (clock or Clock()).now)
        yield app
        if (accounts := app.extensions["accounts"]) is not None:
            accounts.admin.close()


@contextmanager
def pages_with_auth(settings: Settings, clock: Clock | None = None) -> Iterator[tuple[Flask, AuthServer]]:
    """Run the pages with Supabase Auth, over supabase-py."""
    assert isinstance(settings.connection, DirectConnection)
    with auth_server(settings.connection.url) as server:
        with_auth = replace(settings, auth=SupabaseConnection(server.url, server.key), pages=PAGES)
        with pages(with_auth, clock) as app:
            yield app, server


def local(settings: Settings) -> Settings:
    """Return the settings with the stand-in for Auth."""
    assert isinstance(settings.connection, DirectConnection)
    return replace(settings, auth=settings.connection, pages=PAGES)


def admin_in_auth(
    url: str, email: str = EMAIL, user: UUID = JANE, *, confirmed: bool = True, role: str = "sync_admin"
) -> UUID:
    """Create an admin with PASSWORD. The password's hash is weak and fast, because tests check it often."""
    metadata = {"role": role} if role else None
    with auth_on(url) as auth:
        auth.admin_create(email, id=user, confirmed=confirmed, app_metadata=metadata)
        auth.users.update(user, encrypted_password=WEAK_HASH)
    return user


def recorded(connection: Connection) -> list[tuple[str, str, str | None]]:
    """Return the acts of the audit as (who, action, target), with the oldest row first."""
    query = "select who, action, target from public.auth_sync_audit where not is_request order by id"
    rows = connection.execute(query).fetchall()
    return [(row["who"], row["action"], row["target"]) for row in rows]
