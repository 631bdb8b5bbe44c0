"""The command `webhook-service`, as an operator uses it in a shell."""

from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.command import (
    EVENT,
    Run,
    assert_one_clear_line,
    clean_environment,
    environment_in,
    headers_in,
    run_command,
    run_in_process,
)
from tests.acceptance.conftest import StartServer
from tests.ports import free_port
from webhook_service.db import schema

COMMANDS = ("demo", "serve", "migrate", "sql", "sign", "replay")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(tmp_path: Path, command: str) -> None:
    """Each command shows its help without any setting."""
    code, output, _ = run_in_process(command, "--help", environment=clean_environment(), folder=tmp_path)
    assert (code, output.splitlines()[0].split()[:3]) == (0, ["Usage:", "webhook-service", command])


# sign


def test_signed_headers_are_accepted(run_installed: Run, start_server: StartServer) -> None:
    """A server accepts a payload with the headers that `sign` prints for it, under the given id."""
    code, output, _ = run_installed("sign", "--id", "by-hand-1", stdin=EVENT)
    assert code == 0
    url = f"{start_server().url}/webhook/auth"
    answer = httpx.post(url, content=EVENT.encode(), headers=headers_in(output))
    assert answer.json() == {"event_id": "by-hand-1", "status": "SUCCESS", "outcome": "unmatched"}


def test_a_minted_token_is_accepted(run: Run, start_server: StartServer) -> None:
    """A server that allows tokens accepts a payload with the header that `sign --token` prints."""
    code, output, _ = run("sign", "--token", "dashboard")
    assert code == 0
    url = f"{start_server(WEBHOOK_STATIC_TOKEN='on').url}/webhook/auth"
    assert httpx.post(url, content=EVENT.encode(), headers=headers_in(output)).status_code == 200


def test_each_signature_has_an_id_of_its_own(run: Run) -> None:
    """Two payloads that are signed without --id are two events."""
    ids = {headers_in(run("sign", stdin=EVENT)[1])["webhook-id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_bad_id_is_refused(refused_run: Run) -> None:
    """An event id that no receiver accepts is refused in one line."""
    code, _, errors = refused_run("sign", "--id", "a.b", stdin=EVENT)
    assert code == 2
    assert_one_clear_line(errors, "--id")


def test_signing_needs_a_secret(tmp_path: Path) -> None:
    """`sign` names the missing secret in one line."""
    code, output, errors = run_command("sign", environment=clean_environment(), folder=tmp_path, stdin=EVENT)
    assert (code, output) == (1, "")
    assert_one_clear_line(errors, "WEBHOOK_SECRETS")


# sql and migrate


def test_sql_is_what_migrate_does(run_installed: Run, empty_database_url: str) -> None:
    """The printed scripts bring an empty database to a state in which `migrate` finds nothing to do."""
    _, script, _ = run_installed("sql")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"begin; {script} commit".encode())
    assert run_installed("migrate", DATABASE_URL=empty_database_url) == (0, "The database is up to date.\n", "")


def test_sql_writes_the_same_files_each_time(run: Run, tmp_path: Path) -> None:
    """`sql --output-dir` writes a file for each script, named in order. Repeated, it writes none."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    written = []
    for _ in range(2):
        assert run("sql", "--output-dir", str(folder))[0] == 0
        written.append({path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())})
    assert written[0] == written[1]
    expected = [f"webhook_service_{script.file_name}" for script in schema.scripts()]
    assert [name.partition("_")[2] for name in written[0]] == expected


def test_sql_writes_new_functions_last(run: Run, tmp_path: Path) -> None:
    """If the newest functions in the folder are others, `sql` writes ours with a version after that of every file."""
    for name in ("20200101000000_webhook_service_functions_old", "29990101000000_theirs"):
        (tmp_path / f"{name}.sql").touch()
    assert run("sql", "--output-dir", str(tmp_path))[0] == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[-1].endswith(f"_webhook_service_{schema.functions().file_name}")
    assert [name[:4] for name in names] == ["2020", *["2999"] * (len(names) - 1)]


@pytest.mark.parametrize("version", ["00000000000000", "20241301000000", "99991231235958"])
def test_sql_takes_any_number_as_a_version(run: Run, tmp_path: Path, version: str) -> None:
    """The versions of other files need not be times; ours sort after them."""
    (tmp_path / f"{version}_theirs.sql").touch()
    code, _, errors = run("sql", "--output-dir", str(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".sql")
    assert (code, errors) == (0, "")
    assert names[0] == f"{version}_theirs.sql"
    assert len(names) == len(schema.scripts()) + 1


def test_migrate_says_what_it_does(run_installed: Run, empty_database_url: str) -> None:
    """`migrate --dry-run` prints the scripts that `migrate` then applies. Afterwards there is nothing to do."""
    reported = run_installed("migrate", "--dry-run", DATABASE_URL=empty_database_url)
    done = run_installed("migrate", DATABASE_URL=empty_database_url)
    again = run_installed("migrate", DATABASE_URL=empty_database_url)
    assert [reported[0], done[0], again[0]] == [0, 0, 0]
    assert reported[1].startswith("would apply 0001 employees\n")
    assert reported[1].replace("would apply", "applied") == done[1]
    assert again[1] == "The database is up to date.\n"


# Errors


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("serve", "ADMIN_API_KEY", "short"),
        ("serve", "WEBHOOK_SECRETS", "whsec_c2hvcnQ="),
        ("serve", "WEBHOOK_SECRETS", ""),
        ("serve", "DATABASE_URL", "mysql://db.example.com/x"),
        ("serve", "MAX_BODY_BYTES", "lots"),
        ("serve", "EMAIL_OWNER", "nobody"),
        ("serve", "ADMIN_API_KEY_FILE", "/nowhere"),
        ("migrate", "DATABASE_URL", "db.example.com"),
        ("replay --all", "EMAIL_OWNER", "nobody"),
    ],
)
def test_a_bad_setting_is_one_clear_line(refused_run: Run, command: str, variable: str, value: str) -> None:
    """A bad setting ends the command in one line that names the variable, without a traceback."""
    code, _, errors = refused_run(*command.split(), **{variable: value})
    assert code == 1
    assert_one_clear_line(errors, variable.removesuffix("_FILE"))


@pytest.mark.parametrize(
    ("variable", "value"), [("PORT", "http"), ("PORT", "70000"), ("WEB_CONCURRENCY", "0"), ("LOG_LEVEL", "chatty")]
)
def test_a_bad_setting_of_the_server_is_one_clear_line(run: Run, variable: str, value: str) -> None:
    """A bad setting that only gunicorn's process reads ends `serve` in the same way."""
    code, _, errors = run("serve", **{variable: value})
    assert code == 1
    assert_one_clear_line(errors, variable)


def test_a_bad_setting_with_the_embedded_database(folder: Path) -> None:
    """With the embedded PostgreSQL, a bad setting is one clear line, too."""
    environment = environment_in(folder) | {"MAX_BODY_BYTES": "lots"}
    code, _, errors = run_command("serve", "--port", str(free_port()), environment=environment, folder=folder)
    assert code == 1
    assert_one_clear_line(errors, "MAX_BODY_BYTES")


def test_an_unreachable_database_is_one_clear_line(refused_run: Run) -> None:
    """`migrate` reports in one line that it cannot reach the database."""
    code, _, errors = refused_run("migrate", DATABASE_URL="postgresql://127.0.0.1:1/postgres")
    assert code == 1
    assert_one_clear_line(errors, "database_unreachable")
