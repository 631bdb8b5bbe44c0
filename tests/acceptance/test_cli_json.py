"""`--json`: each command prints one JSON document on standard output, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.acceptance.command import EVENT, Run, run_in_process
from tests.acceptance.provisioning import Desk
from tests.auth_server import auth_server
from tests.auth_traffic import CONFIRMED, insert
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from tests.integration.capturing import auth_on
from tests.integration.provisioning import hire_many
from tests.webhook_events import work_of
from webhook_service.cli.main import main
from webhook_service.cli.output import OPTION
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database

WITHOUT = {
    "demo": "it shows a person what happens",
    "serve": "its output is the log, which is JSON by LOG_FORMAT",
}
"""The commands without `--json`, with the reason."""


def commands(group: click.Group = main, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its name, such as `held list`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


@pytest.mark.parametrize("name", sorted(name for name, _ in commands()))
def test_every_command_has_the_option(name: str) -> None:
    """Each command has `--json`, except those in WITHOUT."""
    options = {option for parameter in dict(commands())[name].params for option in parameter.opts}
    assert (OPTION in options) is (name not in WITHOUT)


@pytest.fixture
def company(connection: Connection, database: Database, database_url: str) -> Connection:
    """An ambiguous event, a held ban, and a login from before the installation."""
    hire(connection, "desk@example.com"), hire(connection, "desk@example.com")
    process_batch(
        database, [work_of(insert(email="desk@example.com", email_confirmed_at=CONFIRMED), "evt-1")], Policy()
    )
    connection.execute("delete from employees where employee_id = 2")
    with auth_on(database_url) as auth, nothing_linked(connection):
        old = auth.admin_create("old@example.com")
        hire(connection, "old@example.com", auth_user_id=old)
    connection.execute(
        "select auth_sync_hold_unclear_v1(jsonb_agg(e)) from (select auth_user_id, employee_id from employees"
        " where auth_user_id is not null) as e"
    )
    return connection


RUNS: dict[str, tuple[tuple[str, ...], set[str], int | None]] = {
    "migrate": ((), {"dry_run", "scripts", "protected"}, 0),
    "uninstall": (("--yes",), {"is_removed"}, 0),
    "sign": ((), {"headers"}, 0),
    "relay": (("--once",), {"events", "actions", "deliveries"}, 0),
    "replay": (("--all", "--yes"), {"preview", "replayed"}, 0),
    "reconcile": (
        ("--dry-run",),
        {"dry_run", "users", "known", "failed", "differences", "planned", "outcomes", "left"},
        None,
    ),
    "import": (("-", "--dry-run"), {"error"}, 1),
    "prune": (("--older-than", "90d"), {"dry_run", "events", "audit_entries", "deliveries"}, 0),
    "provision": (("--dry-run",), {"without_login", "employees"}, 0),
    "held list": ((), {"count", "oldest_seconds", "newest_id", "people"}, 0),
    "held release": (("--yes", "--reason", "shared_email"), {"count"}, 0),
    "held discard": (("--yes",), {"count"}, 0),
    "scim-token create": (("--name", "okta"), {"token_id", "name", "token"}, 0),
    "scim-token list": ((), {"tokens"}, 0),
    "scim-token revoke": (("--name", "okta"), {"count"}, 0),
    "subscribers create": (("crm", "https://crm.example.com/hook"), {"name", "secret"}, 0),
    "subscribers list": ((), {"subscribers"}, 0),
    **{
        f"subscribers {name}": (("nobody", *arguments), {"error"}, 1)
        for name, arguments in {
            **{"show": (), "enable": (), "disable": (), "rotate": (), "remove": ("--yes",), "replay": (), "test": ()},
        }.items()
    },
    "notify": (("--test",), {"error"}, 1),
    "sql": ((), {"checks", "scripts"}, 0),
    "doctor": (("--quick",), set(), None),
}
"""The arguments of a run of each command, the fields of its document, and its exit code, or None if it depends."""


def test_every_command_is_run() -> None:
    """The runs cover each command that has the option."""
    assert {name for name, _ in commands()} - WITHOUT.keys() == RUNS.keys()


@pytest.mark.parametrize("name", sorted(RUNS))
def test_one_document(run: Run, company: Connection, name: str) -> None:
    """The standard output of a command is one JSON document with the documented fields."""
    arguments, fields, expected = RUNS[name]
    code, output, errors = run(*name.split(), *arguments, "--json", stdin=EVENT)
    document = json.loads(output)
    assert (set(document) if isinstance(document, dict) else set()) == fields
    assert expected in (None, code), errors


def test_a_run_of_provision_is_one_document(tmp_path: Path, database_url: str, connection: Connection) -> None:
    """The result has the counts, the refused employees and the file, but no password."""
    hire_many(connection, 2)
    hire(connection, "no e-mail@example.com")
    with auth_server(database_url, keep_passwords=True) as server:
        desk = Desk(tmp_path, database_url, connection, server)
        code, output, _ = desk.run("--yes", "--json")
    document: dict[str, Any] = json.loads(output)
    [file] = desk.files()
    assert (code, document["created"], document["is_complete"], document["password_file"]) == (1, 2, True, file.name)
    assert [each["employee_id"] for each in document["refused"]] == [3]
    passwords = [line.rpartition(",")[2] for line in file.read_text().splitlines()[1:]]
    assert [password for password in passwords if password in output] == []


def test_a_run_of_reconcile_is_one_document(run: Run, connection: Connection, database_url: str) -> None:
    """The result of a run has the outcomes. The exit code is the same as without the option."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    hire(connection, "jane@example.com")
    with auth_on(database_url) as auth:
        auth.admin_create("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    code, output, _ = run("reconcile", "--json")
    document = json.loads(output)
    assert (code, document["dry_run"], document["outcomes"]) == (0, False, {"linked": 1})


@pytest.mark.parametrize(
    ("arguments", "reason", "code"),
    [
        (("replay", "evt-404"), "event_not_found", 1),
        (("replay",), "usage", 2),
        (("prune", "--older-than", "soon"), "usage", 2),
        (("reconcile", "--nope"), "usage", 2),
        (("uninstall",), "aborted", 1),
    ],
)
def test_an_error_is_a_document(
    run: Run, company: Connection, arguments: tuple[str, ...], reason: str, code: int
) -> None:
    """An error is a document with a stable reason, and has the exit code that it has without the option."""
    assert run(*arguments)[0] == code
    found, output, _ = run(*arguments, "--json")
    document = json.loads(output)
    assert (found, set(document), document["error"]["reason"]) == (code, {"error"}, reason)
    assert document["error"]["detail"]


def test_a_relay_that_runs_on_prints_no_document(run: Run) -> None:
    """A relay that does not end has no result, so `--json` needs `--once`."""
    code, output, _ = run("relay", "--json")
    assert (code, json.loads(output)["error"]["reason"]) == (2, "usage")


def test_an_error_without_a_database(tmp_path: Path) -> None:
    """A missing setting is a document too."""
    code, output, _ = run_in_process("prune", "--older-than", "90d", "--json", environment={}, folder=tmp_path)
    assert (code, json.loads(output)["error"]["reason"]) == (1, "bad_setting")


def test_a_question_is_on_standard_error(run: Run, company: Connection) -> None:
    """A question that is answered with no leaves one document on standard output."""
    code, output, errors = run("held", "release", "--reason", "shared_email", "--json", stdin="n\n")
    assert (code, json.loads(output)["error"]["reason"]) == (1, "aborted")
    assert "Ban 1 login?" in errors
