"""Every implementation of AuthAdmin on the test's own database, and the contents of its auth.users."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.auth_faults import AuthServer
from tests.auth_server import JWT_KEY, SECRET_KEY, auth_server
from tests.auth_traffic import JANE
from tests.employees import Connection
from tests.integration.capturing import auth_on
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.errors import ServiceError
from webhook_service.ports import AuthAdmin

EMAIL = "jane.doe@example.com"
NEW_EMAIL = "jane.smith@example.com"
PASSWORD = "correct horse battery staple"
Open = Callable[[str], AbstractContextManager[AuthAdmin]]


@contextmanager
def local(url: str) -> Iterator[AuthAdmin]:
    with closing(LocalAuthAdmin(url)) as admin:
        yield admin


@contextmanager
def supabase(url: str, key: str = SECRET_KEY) -> Iterator[AuthAdmin]:
    with auth_server(url, key=key) as server, closing(SupabaseAuthAdmin(server.url, server.key)) as admin:
        yield admin


def supabase_by_jwt(url: str) -> AbstractContextManager[AuthAdmin]:
    return supabase(url, JWT_KEY)


EACH: dict[str, Open] = {"local": local, "supabase": supabase, "supabase, by JWT": supabase_by_jwt}
"""{name: function that opens an AuthAdmin on a database}. Supabase's has one entry for each kind of key."""


def row(connection: Connection, user: UUID = JANE) -> dict[str, Any]:
    """Return the user's row of auth.users."""
    found = connection.execute("select * from auth.users where id = %s", [user]).fetchone()
    assert found is not None
    return found


def users(connection: Connection) -> int:
    """Count the rows of auth.users."""
    [found] = connection.execute("select count(*) as number from auth.users").fetchall()
    return int(found["number"])


CALLS: dict[str, Callable[[AuthAdmin], object]] = {
    "get": lambda admin: admin.get(JANE),
    "create": lambda admin: admin.create(uuid4(), NEW_EMAIL, password=PASSWORD),
    "invite": lambda admin: admin.invite(NEW_EMAIL),
    "update": lambda admin: admin.update(JANE, banned=True, email=NEW_EMAIL),
    "delete": lambda admin: admin.delete(JANE),
}
"""One call of each method of the port."""


@contextmanager
def client(server: AuthServer, **options: Any) -> Iterator[SupabaseAuthAdmin]:
    with closing(SupabaseAuthAdmin(server.url, server.key, **options)) as admin:
        yield admin


@contextmanager
def auth_of_jane(url: str, **options: Any) -> Iterator[AuthServer]:
    """Run an Auth server that has Jane and has received no calls yet."""
    with auth_on(url) as auth:
        auth.admin_create(EMAIL, id=JANE)
    with auth_server(url, **options) as server:
        yield server


def error_of(admin: AuthAdmin, name: str) -> ServiceError:
    """Return the error that the call with this name in CALLS raises."""
    with pytest.raises(ServiceError) as caught:
        CALLS[name](admin)
    return caught.value
