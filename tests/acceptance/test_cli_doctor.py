"""`webhook-service doctor`, as an operator and a script use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import (
    Run,
    assert_one_clear_line,
    clean_environment,
    environment_in,
    run_in_process,
    run_program,
)
from tests.employees import Connection
from webhook_service.doctor.findings import Level


@pytest.fixture
def relayed(run: Run) -> None:
    """A relay has run once, which a fresh installation lacks."""
    assert run("relay", "--once")[0] == 0


def findings(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output)
    return found


@pytest.mark.usefixtures("relayed")
def test_nothing_wrong_is_zero(run_installed: Run) -> None:
    """A correct installation ends with 0. Each check has a line, and each note a suggestion below it."""
    code, output, errors = run_installed("doctor")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    levels = [line.split()[0] for line in lines if not line.startswith(" " * 7)]
    assert levels == [*["ok"] * 5, "note", *["ok"] * 2, "note", *["ok"] * 3, "note", "ok"]
    assert lines[0].startswith("   ok  migrations: at ")
    post, log_in, report = [line for line in lines if line.startswith(" " * 7)]
    assert post.startswith("       -> to post them: select auth_sync_send_to(")
    assert log_in.startswith("       -> set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY;")
    assert report.startswith("       -> set NOTIFY_URLS (docs/notifications.md)")


def test_something_wrong_is_one(run: Run) -> None:
    """A finding that is wrong ends the command with 1, and the line after it names the remedy."""
    code, output, errors = run("doctor")
    assert (code, errors) == (1, "")
    [(position, _)] = [item for item in enumerate(output.splitlines()) if item[1].startswith("WRONG")]
    assert output.splitlines()[position : position + 2] == [
        "WRONG  relay: none has ever run",
        "       -> run `webhook-service relay`, or `serve` without RELAY=off",
    ]


@pytest.mark.parametrize(("before", "code"), [("select", 0), ("drop trigger auth_sync_capture on auth.users", 1)])
@pytest.mark.usefixtures("relayed")
def test_json_for_scripts(run: Run, connection: Connection, before: str, code: int) -> None:
    """`--json` prints an array of objects with the same four keys, and ends with the same exit code."""
    connection.execute(before)
    ended, output, errors = run("doctor", "--json")
    assert (ended, errors) == (code, "")
    assert {tuple(finding) for finding in findings(output)} == {("check", "level", "says", "todo")}
    assert {finding["level"] for finding in findings(output)} <= {str(level) for level in Level}
    wrong = [finding["check"] for finding in findings(output) if finding["level"] == "wrong"]
    assert wrong == (["triggers"] if code else [])


@pytest.mark.usefixtures("relayed")
def test_quick_leaves_out_the_comparison(run: Run) -> None:
    """`--quick` has all findings except drift, which reads all users."""
    full, quick = findings(run("doctor", "--json")[1]), findings(run("doctor", "--json", "--quick")[1])
    assert [f["check"] for f in full] == [*(f["check"] for f in quick), "drift"]


@pytest.mark.usefixtures("relayed")
def test_settings_of_the_service_count(run: Run) -> None:
    """`doctor` compares NAME_FIELDS in the environment with the database."""
    code, output, _ = run("doctor", "--json", NAME_FIELDS="none")
    assert (code, [f["check"] for f in findings(output) if f["level"] == "wrong"]) == (1, ["settings"])


def test_before_the_migrations(run: Run, empty_database_url: str) -> None:
    """An empty database is a finding with the command that helps, and not an error. The exit code is 1."""
    code, output, errors = run("doctor", DATABASE_URL=empty_database_url)
    assert (code, errors) == (1, "")
    assert [line.strip() for line in output.splitlines()] == [
        output.splitlines()[0],
        "-> run `webhook-service migrate`",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "mentioned"),
    [
        ("DATABASE_URL", "postgresql://127.0.0.1:1/none", "[database_unreachable]"),
        ("DATABASE_URL", "mysql://db.example.com/x", "DATABASE_URL"),
        ("WEBHOOK_SECRETS", "", "WEBHOOK_SECRETS"),
        ("WEBHOOK_SECRETS", "whsec_c2hvcnQ=", "WEBHOOK_SECRETS"),
        ("NAME_FIELDS", "salary=salary", "NAME_FIELDS"),
    ],
)
def test_an_error_is_one_clear_line(refused_run: Run, variable: str, value: str, mentioned: str) -> None:
    """An unreachable database or a bad setting ends `doctor` in one line, with nothing on standard output."""
    code, output, errors = refused_run("doctor", **{variable: value})
    assert (code, output) == (1, "")
    assert_one_clear_line(errors, mentioned)


def test_without_any_database(folder: Path) -> None:
    """Without a configured or a served database, `doctor` names the variable to set."""
    code, output, errors = run_in_process("doctor", environment=environment_in(folder), folder=folder)
    assert (code, output) == (1, "")
    assert_one_clear_line(errors, "DATABASE_URL")


COMMANDS = ("relay", "reconcile", "prune", "doctor", "uninstall")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(tmp_path: Path, command: str) -> None:
    """`--help` works for each command, without any setting."""
    code, output, _ = run_in_process(command, "--help", environment=clean_environment(), folder=tmp_path)
    assert (code, output.splitlines()[0].split()[:3]) == (0, ["Usage:", "webhook-service", command])


def test_help_lists_all_commands(tmp_path: Path) -> None:
    """The help that a newcomer sees first describes each command in a few words, none of which are cut off."""
    code, output, _ = run_program("--help", environment=clean_environment(), folder=tmp_path)
    listed = output.split("Commands:\n")[1].splitlines()
    assert code == 0
    assert {line.split()[0] for line in listed} >= {*COMMANDS, "demo", "migrate", "replay", "serve", "sign", "sql"}
    assert [line for line in listed if line.endswith("...") or len(line.split()) < 3] == []
