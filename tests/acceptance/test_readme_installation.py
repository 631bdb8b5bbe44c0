"""The installation of the README, on Debian's PostgreSQL with the roles and default privileges of a Supabase project.

The commands and the SQL are those of the README. The real Supabase CLI applies the migrations, or `migrate` does. Auth
and pg_net are doubles.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tests.acceptance.command import COMMAND, Run, clean_environment, run_command
from tests.acceptance.conftest import Server, run_with, servers, wait_for
from tests.auth_server import auth_server
from tests.auth_stand_in import Auth
from tests.auth_traffic import SECRET
from tests.debian_postgres import cannot_run, cluster
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on
from tests.integration.migrating import execute, rows
from tests.integration.requested_actions import actions
from tests.pg_net_double import Mischief, working
from webhook_service.db import embedded

pytestmark = pytest.mark.campaign

TESTS = Path(__file__).parents[1]
README = TESTS.with_name("README.md").read_text("utf-8")
CLI = TESTS / "supabase_cli" / "node_modules" / "@supabase" / "cli-linux-x64" / "bin" / "supabase"
STRANGERS = ("anon", "authenticated")

EMPLOYEES = """
create table public.employees (
  employee_id bigint generated always as identity primary key, email text not null, first_name text, last_name text,
  department text, is_active boolean not null default true
);
alter table public.employees enable row level security;
"""
VAULT = """
grant usage on schema vault to postgres;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres;
"""
ATTEMPTS = """
select format('select from %s', c.oid::regclass) from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and c.relname <> 'employees'
union all
select format('select %s(%s) from (select %s offset 0) as v', p.oid::regproc,
              string_agg('v.a' || n, ', ' order by n),
              string_agg('null::' || format_type(t, null) || ' as a' || n, ', '))
  from pg_proc p left join unnest(p.proargtypes) with ordinality as a (t, n) on true
 where p.pronamespace = 'public'::regnamespace group by p.oid
"""
"""Statements that read each relation and call each function. `offset 0` keeps a strict function from being left out,
because PostgreSQL checks no privilege if it knows the argument to be null.
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A project in which the steps of the README are done. `admin_url` is the superuser's."""

    admin_url: str
    connection: Connection
    auth: Auth
    server: Server
    run: Run


def of_readme(pattern: str, **values: str) -> str:
    """The only text of the README that matches, with these words replaced."""
    [found] = set(re.findall(pattern, README))
    for word, value in values.items():
        assert word in found
        found = found.replace(word, value)
    return str(found)


def shell(command: str, folder: Path) -> None:
    """Run a command of the README, as in the company's repository with a linked project."""
    ours = {"HOME": str(folder), "PATH": f"{CLI.parent}:{clean_environment()['PATH']}", "SUPABASE_YES": "1"}
    environment = clean_environment() | ours | {"DO_NOT_TRACK": "1"}
    command = command.replace(".venv/bin/webhook-service", COMMAND)
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"


def push(url: str, folder: Path) -> None:
    """Apply the migrations with the Supabase CLI. Its option --remote without a value means the linked project."""
    if not CLI.exists():
        cannot_run("needs the Supabase CLI: npm ci --prefix tests/supabase_cli")
    command = of_readme(r".venv/bin/webhook-service sql .* && supabase db push --remote")
    shell(command.replace("--remote", f"--remote={url}"), folder)


def migrate(url: str, folder: Path) -> None:
    shell(of_readme(r"DATABASE_URL=.* .venv/bin/webhook-service migrate").replace("postgresql://...", url), folder)


@pytest.fixture(scope="module", params=[push, migrate], ids=["supabase db push", "migrate"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A project with an employees table, a user and an employee from before, in which the README's steps are done."""
    folder = tmp_path_factory.mktemp("company")
    with cluster("supabase_admin") as started:
        admin_url, url = started.url(), started.url().replace("//supabase_admin@", "//postgres@")
        execute(admin_url, TESTS.joinpath("supabase_roles.sql").read_text("utf-8"))
        execute(admin_url, TESTS.joinpath("supabase_doubles.sql").read_text("utf-8") + VAULT)
        with psycopg.connect(admin_url, autocommit=True) as admin:
            embedded.create_auth_schema(admin)
        execute(url, EMPLOYEES)
        with (
            psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection,
            auth_server(admin_url) as auth_api,
            auth_on(admin_url) as auth,
        ):
            auth.sign_up("before@example.com", auto_confirm=True)
            hire(connection, "before@example.com")
            request.param(url, folder)  # the README's step 2
            execute(url, of_readme(r"select auth_sync_protect_employees\(.*\);"))
            supabase = {"SUPABASE_URL": auth_api.url, "SUPABASE_SERVICE_ROLE_KEY": auth_api.key}
            with servers(url, folder) as start:
                server = start(**supabase)  # step 3
                in_folder = run_with(run_command, url, folder)

                def run(*arguments: str) -> tuple[int, str, str]:
                    return in_folder(*arguments, **supabase)

                dry = run("reconcile", "--dry-run")  # step 4
                assert (dry[0], "1 unknown" in dry[1]) == (1, True), dry
                assert run("reconcile")[0] == 0
                send = of_readme(
                    r"select auth_sync_send_to\(.*\);", **{"https://YOUR-HOST": server.url, "whsec_...": SECRET}
                )
                execute(url, send)  # step 5
                with working(admin_url, Mischief(interval=0.1)):
                    yield Installed(admin_url, connection, auth, server, run)


def link_of(installed: Installed, employee_id: int) -> UUID | None:
    user: UUID | None = employee(installed.connection, employee_id)["auth_user_id"]
    return user


def test_the_owner_is_not_a_superuser(installed: Installed) -> None:
    """All objects of the service belong to `postgres`, which is not a superuser."""
    assert rows(installed.admin_url, "select rolsuper from pg_roles where rolname = 'postgres'") == [(False,)]
    owners = "select distinct relowner::regrole::text from pg_class where relname ~ '^(auth_sync_|integration_sync_)'"
    assert rows(installed.admin_url, owners) == [("postgres",)]


def test_a_user_from_before_is_linked(installed: Installed) -> None:
    """`reconcile` has linked the employee to the auth user that existed before the installation."""
    linked = "select e.email from employees e join auth.users u on u.id = e.auth_user_id and u.email = e.email"
    assert ("before@example.com",) in rows(installed.admin_url, linked)


def test_a_sign_up_links_the_employee(installed: Installed) -> None:
    """A new auth user is captured, posted with a signature, and linked to the employee with the same e-mail."""
    jane = hire(installed.connection, "jane@example.com")
    user = installed.auth.sign_up("jane@example.com", auto_confirm=True)
    assert wait_for("the link", lambda: link_of(installed, jane)) == user


def test_a_dismissal_bans_the_login(installed: Installed) -> None:
    """A dismissal requests the ban, and the relay performs it in Auth."""
    joe = hire(installed.connection, "joe@example.com")
    user = installed.auth.sign_up("joe@example.com", auto_confirm=True)
    wait_for("the link", lambda: link_of(installed, joe))
    installed.connection.execute("update employees set is_active = false where employee_id = %s", [joe])
    wait_for("the action", lambda: actions(installed.connection)[-1]["outcome"])
    requested = actions(installed.connection)[-1]
    assert (requested["operation"], requested["auth_user_id"], requested["outcome"]) == (
        "disable_auth_user",
        user,
        "disabled",
    )
    assert rows(installed.admin_url, "select id from auth.users where banned_until > now()") == [(user,)]


@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_are_refused(installed: Installed, role: str) -> None:
    """anon and authenticated can read no table or view of the service, and can call none of its functions."""
    statements = [statement for (statement,) in rows(installed.admin_url, ATTEMPTS)]
    assert len(statements) > 100
    allowed = []
    with psycopg.connect(installed.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                allowed.append(f"{statement}: {error}")
            else:
                allowed.append(statement)
    assert allowed == []


def test_the_doctor_finds_nothing_wrong(installed: Installed) -> None:
    """The doctor of step 6 finds nothing wrong, and checks triggers, rights, sender, Auth and drift."""
    code, output, errors = installed.run("doctor", "--json")
    levels = {finding["check"]: finding["level"] for finding in json.loads(output)}
    assert (code, errors, [check for check, level in levels.items() if level in ("wrong", "unknown")]) == (0, "", []), (
        output
    )
    checked = {"schema", "triggers", "rights", "sender", "secret", "relay", "auth", "drift"}
    assert {check for check in checked if levels.get(check) == "ok"} == checked, levels
