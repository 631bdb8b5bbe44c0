"""The commands of docs/how-to/supabase-cli.md, which the real Supabase CLI runs on the objects of the service."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.command import COMMAND, clean_environment, run_program, settings_for
from tests.acceptance.test_readme_installation import CLI, EMPLOYEES, TESTS, VAULT
from tests.debian_postgres import cannot_run, cluster
from tests.integration.capturing import auth_on
from tests.integration.migrating import execute, rows
from webhook_service.db import embedded

pytestmark = pytest.mark.release

GUIDE = TESTS.with_name("docs").joinpath("how-to", "supabase-cli.md")
RIGHTS = """
alter schema auth owner to supabase_admin;
grant all on schema auth to supabase_auth_admin;
grant all on all tables in schema auth to postgres;
"""
"""The rights of Supabase's image that `db reset` relies on."""
STATE = """
select (select count(*) from auth.users), (select count(*) from public.employees),
       (select count(*) from public.integration_sync_log)
"""
CAPTURE = "select tgname::text from pg_trigger where tgrelid = 'auth.users'::regclass and tgname like 'auth_sync_%'"


@dataclass(frozen=True, slots=True)
class Project:
    """A company's repository with an employees table, and the database of its project. `url` is the owner's URL."""

    folder: Path
    admin_url: str
    url: str

    def run(self, command: str) -> str:
        """Run a command of the guide. The linked project is this database. Returns its output."""
        assert command in GUIDE.read_text("utf-8")
        command = re.sub(r"--remote\b", f"--remote={self.url}", command).replace("webhook-service", COMMAND)
        own = {"HOME": str(self.folder), "PATH": f"{CLI.parent}:{clean_environment()['PATH']}"}
        environment = clean_environment() | own | {"SUPABASE_YES": "1", "DO_NOT_TRACK": "1"}
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=150
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def is_installed(self) -> bool:
        """Whether nothing is missing for `migrate`, and the trigger captures changes of auth.users."""
        code, output, errors = run_program(
            "migrate", "--dry-run", environment=settings_for(self.url), folder=self.folder
        )
        assert code == 0, errors
        return "up to date" in output and rows(self.admin_url, CAPTURE) != []


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with one auth user, which the guide's first steps have installed."""
    if not CLI.exists():
        cannot_run("needs the Supabase CLI: npm ci --prefix tests/supabase_cli")
    with cluster("supabase_admin") as started:
        admin_url = started.url()
        execute(admin_url, TESTS.joinpath("supabase_roles.sql").read_text("utf-8"))
        execute(admin_url, TESTS.joinpath("supabase_doubles.sql").read_text("utf-8") + VAULT)
        with psycopg.connect(admin_url, autocommit=True) as admin:
            embedded.create_auth_schema(admin)
            admin.execute(RIGHTS)
        project = Project(tmp_path, admin_url, admin_url.replace("//supabase_admin@", "//postgres@"))
        migrations = tmp_path / "supabase" / "migrations"
        migrations.mkdir(parents=True)
        migrations.joinpath("20260101000000_employees.sql").write_text(EMPLOYEES, "utf-8")
        project.run("webhook-service sql --output-dir supabase/migrations")
        project.run("supabase db push --remote")
        with auth_on(admin_url) as auth:
            auth.sign_up("jane@example.com", auto_confirm=True)
        yield project


def test_a_push_installs_and_a_second_one_changes_nothing(project: Project) -> None:
    """`db push` installs the service. Until a new version has other SQL, `sql` writes no file and `db push` nothing."""
    assert project.is_installed()
    assert project.run("webhook-service sql --output-dir supabase/migrations") == ""
    before = rows(project.admin_url, STATE)
    project.run("supabase db push --remote")
    assert rows(project.admin_url, STATE) == before
    assert before[0][2] > 0


def test_a_reset_installs_the_service_again(project: Project) -> None:
    """`db reset` removes employees, auth users and the ledger, and the migrations install the service again."""
    project.run("supabase db reset --remote")
    assert rows(project.admin_url, STATE) == [(0, 0, 0)]
    assert project.is_installed()
    with auth_on(project.admin_url) as auth:
        auth.sign_up("joe@example.com", auto_confirm=True)
    assert rows(project.admin_url, STATE)[0][2] > 0
