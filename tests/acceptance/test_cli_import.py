"""`webhook-service import` shows its plan, asks, and imports employees from a CSV file."""

import json
import os
import pty
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.command import COMMAND, Run, assert_one_clear_line, environment_in, settings_for
from tests.employees import Connection, employee, hire
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import recorded

FILE = "employee_number,email,last_name\n1,jane@example.com,Roe\n2,nia@example.com,Wu\n"


@pytest.fixture
def jane(connection: Connection) -> int:
    return hire(connection, "jane@example.com", employee_number="1", first_name="Jane", last_name="Doe")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "employees.csv"
    path.write_text(FILE, "utf-8")
    return path


def count(connection: Connection) -> int:
    return len(connection.execute("select from employees").fetchall())


def test_a_dry_run_shows_the_plan(run: Run, connection: Connection, jane: int, file: Path) -> None:
    """A dry run shows the counts, and each change from one value to another, and changes nothing."""
    code, output, _ = run("import", str(file), "--dry-run")
    lines = output.splitlines()
    assert code == 0
    assert lines[1:5] == ["         1 new", "         1 changed", "         0 unchanged", "         0 refused"]
    assert f'  line 2, employee {jane}: last_name "Doe" -> "Roe"' in lines
    assert "  line 3: Wu <nia@example.com>" in lines
    assert (count(connection), employee(connection, jane)["last_name"], recorded(connection)) == (1, "Doe", [])


def test_without_a_terminal_an_import_needs_yes(run: Run, connection: Connection, jane: int, file: Path) -> None:
    """Where nobody can be asked, an import changes nothing without `--yes`. With it, the audit records the import."""
    code, _, errors = run("import", str(file))
    assert (code, count(connection)) == (1, 1)
    assert "[not_confirmed]" in errors.splitlines()[-1]
    code, output, _ = run("import", str(file), "--yes")
    assert (code, output.splitlines()[-1]) == (0, "Imported: 1 new, 1 changed, 0 unchanged, 0 refused.")
    assert (count(connection), employee(connection, jane)["last_name"]) == (2, "Roe")
    [entry] = connection.execute("select action, result, reason, details from auth_sync_audit").fetchall()
    assert entry == {
        "action": "import employees",
        "result": "done",
        "reason": "1 new, 1 changed, 0 unchanged, 0 refused",
        "details": {"new": 1, "changed": 1, "leaves": 0, "unchanged": 0, "refused": 0},
    }
    assert run("import", str(file), "--yes")[1].splitlines()[-1] == "Nothing to import."


@pytest.mark.parametrize(("answer", "code", "employees"), [("y\n", 0, 2), ("n\n", 1, 1)])
def test_a_terminal_is_asked(
    database_url: str,
    tmp_path: Path,
    connection: Connection,
    jane: int,
    file: Path,
    answer: str,
    code: int,
    employees: int,
) -> None:
    """On a terminal, the command shows the plan and asks; with a no it changes nothing."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "import", str(file)],
        env=environment_in(tmp_path) | settings_for(database_url),
        cwd=tmp_path,
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        os.close(end)
        os.write(terminal, answer.encode())
        output, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert (process.returncode, count(connection)) == (code, employees)
    assert "Import (1 new, 1 changed, 0 unchanged, 0 refused)? [y/N]" in output


def test_refused_lines_are_named(run: Run, connection: Connection, tmp_path: Path) -> None:
    """Refused lines are named with their reason, and nothing is imported unless they are skipped."""
    file = tmp_path / "employees.csv"
    file.write_text("email,is_active\na@example.com,maybe\nb@example.com,yes\n", "utf-8")
    code, output, errors = run("import", str(file), "--yes")
    assert (code, count(connection)) == (1, 0)
    assert "  line 2: is_active: Must be true, false, yes, no, 1, 0, active or inactive." in output.splitlines()
    assert "--skip-refused. [refused_lines]" in errors.splitlines()[-1]
    assert run("import", str(file), "--dry-run")[0] == 1
    assert run("import", str(file), "--yes", "--skip-refused")[0] == 0
    assert count(connection) == 1


def test_a_mass_deactivation_is_refused(run: Run, connection: Connection, tmp_path: Path) -> None:
    """An import that deactivates too many needs `--allow-mass-deactivation`, also with `--yes`."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", auth_user_id=uuid4())
    file = tmp_path / "employees.csv"
    file.write_text("email\ne0@example.com\n", "utf-8")
    code, _, errors = run("import", str(file), "--yes", "--deactivate-missing")
    assert (code, "[mass_deactivation]" in errors) == (1, True)
    assert connection.execute("select from employees where not is_active").fetchall() == []
    options = ("--yes", "--deactivate-missing", "--allow-mass-deactivation")
    assert run("import", str(file), *options)[0] == 0
    assert len(connection.execute("select from employees where not is_active").fetchall()) == 24


def test_a_program_reads_json(run: Run, jane: int, file: Path) -> None:
    """With `--json`, the standard output is one JSON object, for the plan and for the result."""
    plan = json.loads(run("import", str(file), "--dry-run", "--json")[1])
    assert (plan["state"], plan["counts"]["new"], plan["blocked"]) == ("planned", 1, None)
    result = json.loads(run("import", str(file), "--yes", "--json")[1])
    assert (result["state"], result["counts"]["changed"]) == ("applied", 1)


def test_a_file_that_is_not_a_table(run: Run, tmp_path: Path) -> None:
    """A file that cannot be read is one clear line, without its content."""
    file = tmp_path / "employees.csv"
    file.write_bytes(b"PK\x03\x04\x00secret\x00")
    code, _, errors = run("import", str(file))
    assert code == 1
    assert_one_clear_line(errors, "[bad_file]", "NUL")
    assert "secret" not in errors
