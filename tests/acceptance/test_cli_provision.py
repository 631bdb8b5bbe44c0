"""`webhook-service provision`, as an operator uses it."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.command import assert_one_clear_line
from tests.acceptance.provisioning import Desk, lines_of
from tests.auth_faults import Call
from tests.auth_server import auth_server
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from tests.integration.provisioning import auth_users, hire_many, intents, logins, reported
from webhook_service.cli.provision import SHARED_EMAIL


@pytest.fixture
def desk(tmp_path: Path, database_url: str, connection: Connection) -> Iterator[Desk]:
    with auth_server(database_url, keep_passwords=True) as server:
        yield Desk(tmp_path, database_url, connection, server)


def test_employees_without_a_login(desk: Desk, connection: Connection) -> None:
    """Each employee gets a login.

    The file has the passwords in order. The last lines count them and say what to do with the file.
    """
    people = hire_many(connection, 3)
    code, output, errors = desk.run("--yes")
    assert (code, errors) == (0, "")
    desk.assert_each_once(3)
    [file] = desk.files()
    assert re.fullmatch(r"logins-\d{8}T\d{6}Z\.csv", file.name)
    assert [int(line["employee_id"]) for line in lines_of(file)] == people
    assert output.splitlines()[-3:] == [
        "       3 created",
        f"The temporary passwords of 3 employees are in {file.name}. Only you can read it.",
        "Anyone with this file can sign in as them: delete it when they have their passwords.",
    ]


def test_only_the_owner_reads_the_file(desk: Desk, connection: Connection) -> None:
    """The file of the passwords is readable by its owner only."""
    hire_many(connection, 1)
    desk.run("--yes", "--output", "logins.csv")
    assert stat.S_IMODE((desk.folder / "logins.csv").stat().st_mode) == 0o600


def test_a_refused_employee_has_no_password(desk: Desk, connection: Connection) -> None:
    """The command reports that the file has a line for an employee who was refused, and counts no usable password."""
    hire(connection, "no e-mail@example.com")
    _, output, _ = desk.run("--yes")
    assert "0 created" in output
    assert "can sign in as them" not in output
    assert "has a line for 1 employee without a login" in output


def test_only_the_passwords_of_created_logins_are_counted(
    desk: Desk, connection: Connection, database_url: str
) -> None:
    """The number of temporary passwords is the number of created logins, without those that existed before."""
    hire_many(connection, 3)

    def sign_up(call: Call) -> None:
        """Sign user2 up after the command has written a password for user2."""
        if (call.method, call.body.get("email")) == ("POST", "user2@example.com"):
            with auth_on(database_url) as auth:
                auth.admin_create("user2@example.com")

    desk.server.before = sign_up
    code, output, _ = desk.run("--yes", "--output", "logins.csv")
    assert code == 0
    assert "2 created" in output
    assert "1 linked to an existing auth user" in output
    assert "The temporary passwords of 2 employees are in logins.csv." in output
    assert set(desk.passwords()) >= {"user1@example.com", "user3@example.com"}


def test_no_password_is_printed(desk: Desk, connection: Connection) -> None:
    """A password is in the file, and not in the output."""
    hire_many(connection, 2)
    hire(connection, "no e-mail@example.com")
    _, output, errors = desk.run("--yes", LOG_LEVEL="debug")
    passwords = desk.passwords().values()
    assert len(passwords) == 3
    assert [password for password in passwords if password in output + errors] == []


def test_a_dry_run(desk: Desk, connection: Connection) -> None:
    """A dry run counts and lists the employees. It calls nothing, writes nothing and needs no Auth."""
    hire_many(connection, 3)
    listed = [["1", "user1@example.com"], ["2", "user2@example.com"]]
    for settings in ({}, {"SUPABASE_URL": "", "SUPABASE_SERVICE_ROLE_KEY": ""}):
        code, output, errors = desk.run("--dry-run", "--limit", "2", **settings)
        assert (code, errors) == (0, "")
        title, _, _, *rows = output.splitlines()
        assert title == "Employees without a login: 3. This command would create 2:"
        assert [row.split() for row in rows] == listed
    assert (desk.server.calls, desk.files(), intents(connection)) == ([], [], [])


def test_a_dry_run_shows_what_would_be_refused(desk: Desk, connection: Connection) -> None:
    """A dry run marks the employees that would be refused, and prints no control characters."""
    hire(connection, "info@example.com")
    hire(connection, "INFO@example.com")
    hire(connection, "\x1b[2Ja@example.com")
    _, output, _ = desk.run("--dry-run")
    rows = [line.split(maxsplit=2)[1:] for line in output.splitlines()[3:]]
    assert [each[0].rstrip() for each in rows] == ["info@example.com", "info@example.com", "?[2ja@example.com"]
    assert [SHARED_EMAIL in each for each in rows] == [True, True, False]


def test_no_employee_is_left(desk: Desk, connection: Connection) -> None:
    """If every employee has a login, the command asks nothing and writes nothing."""
    assert desk.run() == (0, "Every employee has a login.\n", "")
    assert desk.files() == []


def test_a_limit(desk: Desk, connection: Connection) -> None:
    """A limit ends the run after that number of employees. The next run goes on with the others."""
    hire_many(connection, 3)
    assert desk.run("--yes", "--limit", "2", "--output", "logins.csv")[0] == 0
    assert [number for number, _ in logins(connection)] == [1, 2]
    assert desk.run("--yes", "--limit", "2", "--output", "logins.csv")[0] == 0
    desk.assert_each_once(3)


def test_orphans(desk: Desk, connection: Connection) -> None:
    """Employees whose login was deleted get one only with --orphans."""
    hire(connection, "user1@example.com", orphaned_at="2026-11-22")
    assert desk.run("--yes")[1] == "Every employee has a login.\n"
    assert desk.run("--yes", "--orphans")[0] == 0
    desk.assert_each_once(1)


def test_invitations(desk: Desk, connection: Connection) -> None:
    """Invitations have no passwords, so no file is written."""
    hire_many(connection, 2)
    code, output, _ = desk.run("--yes", "--invite")
    assert (code, desk.files(), reported(desk.server)) == (0, [], {})
    assert (desk.server.count("POST", "/invite"), len(logins(connection))) == (2, 2)
    assert output.splitlines()[-1] == "       2 created"


def test_it_asks_first(desk: Desk, connection: Connection) -> None:
    """The command asks with the count. A no, or the end of the input, is a no."""
    hire_many(connection, 2)
    for stdin in ("n\n", ""):
        code, output, _ = desk.run("--limit", "1", stdin=stdin)
        assert code == 1
        assert "Create logins for 1 of 2 employees without a login?" in output
    assert (desk.server.calls, desk.files()) == ([], [])
    assert desk.run(stdin="y\n")[0] == 0
    desk.assert_each_once(2)


def test_employees_who_got_no_login(desk: Desk, connection: Connection) -> None:
    """The last lines list the employees without a login, with the reason. The others get theirs. The exit code is 1."""
    hire_many(connection, 2)
    bad = hire(connection, "no e-mail@example.com")
    holder = hire(connection, "x@example.com")
    desk.run("--yes", "--output", "logins.csv")
    taken = hire(connection, "user1@example.com")
    code, output, errors = desk.run("--yes", "--output", "logins.csv")
    assert (code, errors) == (1, "")
    assert output.splitlines()[1:6] == [
        "       0 created",
        "       1 refused: auth_refused",
        "       1 refused: email_taken",
        f"  employee {bad}: auth_refused (validation_failed)",
        f"  employee {taken}: email_taken (employee 1 has it)",
    ]
    assert [number for number, _ in logins(connection)] == [1, 2, holder]


def test_the_stand_in_of_the_embedded_database(desk: Desk, connection: Connection) -> None:
    """With AUTH_ADMIN=local, the stand-in for Auth creates the logins."""
    hire_many(connection, 2)
    assert desk.run("--yes", AUTH_ADMIN="local", SUPABASE_URL="", SUPABASE_SERVICE_ROLE_KEY="")[0] == 0
    assert len(logins(connection)) == 2


# Wrong files, wrong settings, wrong use


def test_a_file_that_others_may_read(desk: Desk, connection: Connection) -> None:
    """A file that others may read is refused before the first login."""
    hire_many(connection, 1)
    (desk.folder / "logins.csv").touch(0o644)
    code, _, errors = desk.run("--yes", "--output", "logins.csv")
    assert code == 1
    assert_one_clear_line(errors, "logins.csv", "[output_refused]")
    assert (auth_users(connection), intents(connection)) == ([], [])


def test_a_folder_that_cannot_be_written(desk: Desk, connection: Connection) -> None:
    """A file that cannot be created ends the command in one clear line before the first login."""
    hire_many(connection, 1)
    code, _, errors = desk.run("--yes", "--output", "nowhere/logins.csv")
    assert code == 1
    assert_one_clear_line(errors, "nowhere/logins.csv", "[output_failed]")
    assert intents(connection) == []


@pytest.mark.parametrize(
    ("settings", "mentioned"),
    [
        ({"SUPABASE_URL": "", "SUPABASE_SERVICE_ROLE_KEY": ""}, ["SUPABASE_URL", "[no_auth_admin]"]),
        ({"SUPABASE_SERVICE_ROLE_KEY": ""}, ["SUPABASE_SERVICE_ROLE_KEY", "[bad_setting]"]),
        ({"SUPABASE_SERVICE_ROLE_KEY": "sb_secret_wrong"}, ["key", "[auth_key_refused]"]),
        ({"AUTH_RATE": "fast"}, ["AUTH_RATE", "[bad_setting]"]),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, ["[database_unreachable]"]),
    ],
    ids=["no Auth", "no key", "wrong key", "bad rate", "no database"],
)
def test_wrong_settings(desk: Desk, connection: Connection, settings: dict[str, str], mentioned: list[str]) -> None:
    """A wrong setting is one clear line. No login is begun, and no file is left."""
    hire_many(connection, 1)
    code, _, errors = desk.run("--yes", **settings)
    assert code == 1
    assert_one_clear_line(errors, *mentioned)
    assert (intents(connection), desk.files()) == ([], [])


def test_before_the_migrations(desk: Desk, empty_database_url: str) -> None:
    """A database without the migrations is one clear line that names the command."""
    code, _, errors = desk.run("--yes", DATABASE_URL=empty_database_url)
    assert code == 1
    assert_one_clear_line(errors, "[not_migrated]", "webhook-service migrate")


@pytest.mark.parametrize(
    "arguments",
    [["--limit", "0"], ["--invite", "--output", "x.csv"], ["--dry-run", "--output", "x.csv"], ["7"]],
    ids=" ".join,
)
def test_used_wrongly(desk: Desk, arguments: list[str]) -> None:
    """Arguments that do not fit together are a usage error in one line."""
    code, _, errors = desk.refused_run(*arguments)
    assert code == 2
    assert_one_clear_line(errors)


def test_help(desk: Desk) -> None:
    """The help names the settings, the form of the file, and what to do after a kill."""
    code, output, _ = desk.refused_run("--help")
    words = " ".join(output.split())
    assert code == 0
    for reported_there in (
        "SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY",
        "AUTH_RATE",
        "employee_id, email, temporary_password",
        "the last line counts",
        "only you can read it",
        "Run the command again to continue",
    ):
        assert reported_there in words
