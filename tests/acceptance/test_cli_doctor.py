"""`webhook-service doctor`, as an operator and a script use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import (
    Run,
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
    assert levels == [*["ok"] * 9, "note", *["ok"] * 3, "note", *["ok"] * 3, "note", "ok", *["note"] * 3, "ok"]
    assert lines[1].startswith("   ok  migrations: up to date: ")
    advice = [line for line in lines if line.startswith("       -> ")]
    assert len(advice) == levels.count("note")
    post, log_in, *_, report = advice
    assert post.startswith("       -> to post them, run this in Supabase's SQL editor")
    assert lines[lines.index(post) + 1].startswith("          select auth_sync_send_to(")
    assert log_in.startswith("       -> set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY;")
    assert report.startswith("       -> set NOTIFY_URLS (docs/how-to/notifications.md)")


def test_something_wrong_is_one(run: Run) -> None:
    """A finding that is wrong ends the command with 1. The lines after it have the remedy and the command."""
    code, output, errors = run("doctor")
    assert (code, errors) == (1, "")
    [(position, _)] = [item for item in enumerate(output.splitlines()) if item[1].startswith("WRONG")]
    assert output.splitlines()[position : position + 3] == [
        "WRONG  relay: no relay has ever run",
        "       -> start one, or `serve` without RELAY=off",
        "          webhook-service relay",
    ]


@pytest.mark.parametrize(("before", "code"), [("select", 0), ("drop trigger auth_sync_capture on auth.users", 1)])
@pytest.mark.usefixtures("relayed")
def test_json_for_scripts(run: Run, connection: Connection, before: str, code: int) -> None:
    """`--json` prints an array of objects with the same five keys, and ends with the same exit code."""
    connection.execute(before)
    ended, output, errors = run("doctor", "--json")
    assert (ended, errors) == (code, "")
    assert {tuple(finding) for finding in findings(output)} == {("check", "level", "says", "todo", "command")}
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
    assert [line.strip() for line in output.splitlines()][2:4] == [
        "-> create the tables and functions",
        "webhook-service migrate",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "mentioned"),
    [
        ("DATABASE_URL", "mysql://db.example.com/x", "DATABASE_URL"),
        ("DATABASE_URL", "postgresql://db.example.com/x?schema=hr", "DATABASE_URL"),
        ("WEBHOOK_SECRETS", "", "WEBHOOK_SECRETS"),
        ("WEBHOOK_SECRETS", "whsec_c2hvcnQ=", "WEBHOOK_SECRETS"),
        ("NAME_FIELDS", "salary=salary", "NAME_FIELDS"),
    ],
)
def test_a_bad_setting_is_a_finding(run: Run, variable: str, value: str, mentioned: str) -> None:
    """A bad setting is a finding that is `wrong`, and the checks that do not need the setting still run."""
    code, output, errors = run("doctor", "--json", **{variable: value})
    assert (code, errors) == (1, "")
    [wrong] = [f for f in findings(output) if f["level"] == "wrong" and f["check"] == "settings"]
    assert mentioned in wrong["says"]
    assert {"auth", "notices"} <= {f["check"] for f in findings(output)}


def test_a_database_that_is_unavailable(run: Run) -> None:
    """If the database does not respond, the output is still JSON, and the exit code is 2."""
    code, output, errors = run("doctor", "--json", DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert (code, errors) == (2, "")
    assert {f["check"]: f["level"] for f in findings(output)} == {
        "database": "unknown",
        **dict.fromkeys(("auth", "admins", "public_url", "notices"), "note"),
    }
    assert "cannot be reached" in findings(output)[0]["says"]


@pytest.mark.usefixtures("relayed")
def test_an_ignored_option_is_noted(run: Run, database_url: str) -> None:
    """Doctor ignores an option of another client in DATABASE_URL, and names it."""
    code, output, errors = run("doctor", "--json", DATABASE_URL=f"{database_url}&pgbouncer=true")
    assert (code, errors) == (0, "")
    assert "the option pgbouncer of another client is ignored" in findings(output)[0]["says"]


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_without_any_database(folder: Path, arguments: list[str]) -> None:
    """Without a configured or a served database, a finding names the variable to set."""
    code, output, errors = run_in_process("doctor", *arguments, environment=environment_in(folder), folder=folder)
    assert (code, errors, "DATABASE_URL" in output) == (1, "", True)


@pytest.mark.usefixtures("relayed")
def test_a_missing_column_does_not_hide_other_findings(run: Run, connection: Connection) -> None:
    """If a column was renamed, doctor names it, and all other checks still run."""
    before = [f["check"] for f in findings(run("doctor", "--json")[1])]
    connection.execute(
        "drop view auth_sync_monitor, auth_sync_standings; alter table employees rename is_active to active"
    )
    code, output, errors = run("doctor", "--json")
    assert (code, errors) == (1, "")
    assert [f["check"] for f in findings(output)] == before
    assert "column employees.is_active" in next(f["says"] for f in findings(output) if f["check"] == "schema")


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
