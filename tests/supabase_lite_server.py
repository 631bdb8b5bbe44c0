"""Supabase Lite as a process. It is a PostgREST-compatible Data API on PGlite, with this service's migrations.

Three differences from Supabase matter to tests. Raised errors have the code `SUP` instead of their SQLSTATE, numbers
are JavaScript's (exact up to 2^53), and there is only one connection.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from webhook_service.db import embedded, schema

FOLDER = Path(__file__).parent / "supabase_lite"
LITE = FOLDER / "node_modules" / ".bin" / "lite"
START_PATIENCE_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 10.0

TEST_FUNCTIONS = """
create function public.test_echo(p_value jsonb) returns jsonb language sql set search_path = '' as 'select p_value';
create function public.test_echo_typed(p_text text, p_number bigint, p_flag boolean) returns jsonb
language sql set search_path = '' as $$
  select jsonb_build_object('text', p_text, 'number', p_number, 'flag', p_flag)
$$;
create function public.test_void() returns void language sql set search_path = '' as 'select';
create function public.test_raise(p_message text) returns jsonb language plpgsql set search_path = '' as $$
begin
  raise exception using message = p_message, detail = p_message, hint = p_message, errcode = 'P0001';
end $$;
create function public.test_query(p_sql text) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  answer jsonb;
begin
  execute p_sql into answer;
  return answer;
end $$;
"""
"""SQL functions that only tests call. `test_query` runs a query that returns one row with one jsonb."""


@dataclass(frozen=True, slots=True)
class SupabaseLite:
    url: str
    service_role_key: str


def prepare(folder: Path) -> None:
    """Make a project in `folder`, with Supabase's roles, this service's migrations and TEST_FUNCTIONS.

    If it cannot run, the test is skipped. With CI in the environment, the test fails, because CI needs this test.
    """
    if shutil.which("node") is None or not LITE.exists():
        missing = "Node.js is not installed" if shutil.which("node") is None else f"{LITE.name} is not installed"
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"Supabase Lite cannot run: {missing}; needs Node.js >= 20 and `npm ci --prefix tests/supabase_lite`")

    lite(folder, "init", "--pglite")
    write_migrations(folder / "supabase" / "migrations")
    lite(folder, "migration", "up")


@contextmanager
def running(prepared: Path, folder: Path) -> Iterator[SupabaseLite]:
    """Run a copy of a prepared project in `folder`."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    key = dict(line.split("=", 1) for line in (folder / ".env").read_text().split())["SUPABASE_SECRET_KEY"]
    port = free_port()
    config = folder / "supabase" / "config.toml"
    config.write_text(re.sub(r"(?m)^port = \d+$", f"port = {port}", config.read_text(), count=1))
    url = f"http://127.0.0.1:{port}"
    with (folder / "lite.log").open("wb") as log:
        process = subprocess.Popen([LITE, "start", "--no-admin"], cwd=folder, env=environment(), stdout=log, stderr=log)
        try:
            wait_until_ready(url, key, process, folder / "lite.log")
            yield SupabaseLite(url, key)
        finally:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment() -> dict[str, str]:
    return os.environ | {"DO_NOT_TRACK": "1"}


def lite(folder: Path, *arguments: str) -> None:
    command = [str(LITE), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.fail(f"lite {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def write_migrations(folder: Path) -> None:
    """Write the migrations as `webhook-service sql --output-dir` does, after the roles. Lite creates them too late."""
    folder.mkdir()
    (folder / "20200101000000_roles.sql").write_text(embedded.supabase_roles(), "utf-8")
    for number, script in enumerate(schema.scripts()):
        (folder / f"20260101{number:06}_{script.file_name}").write_text(script.script, "utf-8")
    (folder / "20990101000000_test_functions.sql").write_text(TEST_FUNCTIONS, "utf-8")


def wait_until_ready(url: str, key: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.post(f"{url}/rest/v1/rpc/auth_sync_schema_v1", headers=headers, json={}, timeout=5)
            if answer.is_success and schema.functions().digest in answer.json().get("functions", ()):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Supabase Lite did not start:\n{log.read_text()}")
