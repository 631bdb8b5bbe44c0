"""The commands of the documents, as a shell runs them."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.command import COMMAND, settings_for
from tests.acceptance.conftest import servers, wait_for
from tests.auth_server import auth_server
from tests.debian_postgres import cluster
from tests.docs_commands import PAGES, ROOT, Block, blocks, commands
from tests.employees import Connection, hire
from tests.integration.migrating import execute
from webhook_service.db import embedded

pytestmark = pytest.mark.campaign

ADDRESS = "https://sync.example.com"
"""The address of the service in the documents. The tests replace it by the address of a server."""
EMPLOYEES_FILE = "employee_number,email,first_name,is_active\nE-1,new@example.com,New,yes\n"
TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES_WITH_COMMANDS = [page for page in PAGES if commands(page) and page != TUTORIAL]


def run(code: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run commands until one of them fails, and return their output."""
    path = f"{Path(COMMAND).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", code],
        cwd=folder,
        env={**environment, "PATH": path, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def environment(database_url: str, connection: Connection, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of an installed service with an employee, and a file that HR has exported."""
    (tmp_path / "employees.csv").write_text(EMPLOYEES_FILE, "utf-8")
    employee_id = hire(connection, "jane@example.com")
    with auth_server(database_url) as auth:
        supabase = {"SUPABASE_URL": auth.url, "SUPABASE_SERVICE_ROLE_KEY": auth.key}
        yield settings_for(database_url) | supabase | {"EMPLOYEE_ID": str(employee_id)}


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_commands_of_a_page_succeed(
    page: Path, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """Each block of commands of a page succeeds in an installed service, one after another."""
    found = commands(page)
    supabase = {name: value for name, value in environment.items() if name.startswith("SUPABASE_")}
    with servers(database_url, tmp_path) as start:
        address = start(**supabase).url if any(ADDRESS in block.code for block in found) else ADDRESS
        for block in found:
            run(block.code.replace(ADDRESS, address), tmp_path, environment)


def test_the_tutorial_ends_as_it_says(tmp_path: Path) -> None:
    """In an empty project, the tutorial ends with a dismissed employee who cannot sign in, and can again afterwards."""
    with cluster("supabase_admin") as started:
        admin_url, url = started.url(), started.url().replace("//supabase_admin@", "//postgres@")
        execute(admin_url, (ROOT / "tests" / "supabase_roles.sql").read_text("utf-8"))
        with psycopg.connect(admin_url, autocommit=True) as admin:
            embedded.create_auth_schema(admin)
        with auth_server(admin_url, hashes_passwords=True) as auth, servers(url, tmp_path) as start:
            supabase = {"SUPABASE_URL": auth.url, "SUPABASE_SERVICE_ROLE_KEY": auth.key}
            environment = settings_for(url) | supabase
            for block in blocks(TUTORIAL):
                if "webhook-service serve" in block.code:
                    start(**supabase)
                elif block.language == "sql":
                    execute(url, block.code)
                elif not block.not_run:
                    shows(block, tmp_path, environment)


def shows(block: Block, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a block. If it must show a text, repeat it until it does."""
    if not block.shows:
        run(block.code, folder, environment)
    else:
        wait_for(block.shows, lambda: block.shows in run(block.code, folder, environment))
