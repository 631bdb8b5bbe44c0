"""The warnings and refusals of `webhook-service migrate`, `sql` and `provision` about the employees table."""

import subprocess

from tests.acceptance.command import Run, assert_one_clear_line
from tests.integration.migrating import execute, rows, tool

STATUS = """
create table employees (employee_id bigint primary key, email text, status text not null);
insert into employees values (1, 'jane@example.com', 'active'), (2, 'left@example.com', 'terminated');
"""
ELSEWHERE = "create schema hr; create table hr.employees (employee_id int primary key, email text)"


def test_the_warnings_are_printed(run: Run, empty_database_url: str) -> None:
    """`migrate` prints its warnings on standard error and succeeds. A dry run prints them too."""
    execute(empty_database_url, STATUS)
    for arguments in (["--dry-run"], []):
        code, output, errors = run("migrate", *arguments, DATABASE_URL=empty_database_url)
        assert (code, errors.count("WARNING: employees has no"), "does status say so?" in errors) == (0, 1, True)
        assert "is_active" not in output


def test_provision_warns_that_everybody_counts_as_active(run: Run, empty_database_url: str) -> None:
    """`provision` warns that employees who have left may get a login, until an employee is inactive."""
    execute(empty_database_url, STATUS)
    assert run("migrate", DATABASE_URL=empty_database_url)[0] == 0
    code, output, errors = run("provision", "--dry-run", DATABASE_URL=empty_database_url)
    assert (code, "left@example.com" in output, "everybody counts as active" in errors) == (0, True, True)
    execute(empty_database_url, "update employees set is_active = status = 'active'")
    code, output, errors = run("provision", "--dry-run", DATABASE_URL=empty_database_url)
    assert (code, "left@example.com" in output, errors) == (0, False, "")


def test_a_table_elsewhere_needs_the_option(run: Run, empty_database_url: str) -> None:
    """`migrate` refuses in one line if the employees are in another schema, and --create-employees overrides it."""
    execute(empty_database_url, ELSEWHERE)
    code, _, errors = run("migrate", DATABASE_URL=empty_database_url)
    assert code == 1
    assert_one_clear_line(errors, "hr.employees")
    assert run("migrate", "--create-employees", DATABASE_URL=empty_database_url)[0] == 0
    assert rows(empty_database_url, "select from public.employees") == []


def test_the_printed_sql_refuses_too(run: Run, empty_database_url: str) -> None:
    """The printed SQL begins with the same checks, and has the same option."""
    execute(empty_database_url, ELSEWHERE)
    psql = [tool(empty_database_url, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", empty_database_url]
    refused = subprocess.run(psql, input=run("sql")[1], capture_output=True, text=True, check=False)
    assert (refused.returncode, "hr.employees" in refused.stderr) == (3, True)
    assert rows(empty_database_url, "select to_regclass('public.auth_sync_migrations')") == [(None,)]
    subprocess.run(psql, input=run("sql", "--create-employees")[1], capture_output=True, text=True, check=True)
    assert rows(empty_database_url, "select from public.employees") == []


def test_an_ignored_option_is_a_warning(run: Run, database_url: str) -> None:
    """`migrate` ignores an option of another client in DATABASE_URL with a warning, and refuses other options."""
    code, _, errors = run("migrate", DATABASE_URL=f"{database_url}&pgbouncer=true&connection_limit=1")
    assert (code, errors.count("WARNING: ")) == (0, 2)
    code, _, errors = run("migrate", DATABASE_URL=f"{database_url}&schema=hr")
    assert code == 1
    assert_one_clear_line(errors, "the option schema")
