"""The command `webhook-service`, as a person in a shell uses it."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import httpx
import psycopg
import pytest

from tests.acceptance.conftest import (
    Connection,
    Post,
    StartServer,
    children_of,
    clean_environment,
    deliver,
    environment_in,
    processes_about,
    run_command,
    settings_for,
    started_command,
    wait_for,
)
from tests.acceptance.test_serving import user_id
from tests.auth_traffic import CONFIRMED, SECRET, body_of, insert
from tests.ports import free_port
from webhook_service import serving
from webhook_service.db import migrate

COMMANDS = ("demo", "serve", "migrate", "sql", "sign", "replay")
EVENT = body_of(insert(email="jane@example.com", email_confirmed_at=CONFIRMED)).decode()

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Run:
    """Runs the command with this test's database -> exit code, standard output, standard error."""

    def with_settings(*arguments: str, stdin: str = "", **settings: str) -> tuple[int, str, str]:
        environment = settings_for(database_url) | settings
        return run_command(*arguments, environment=environment, folder=tmp_path, stdin=stdin)

    return with_settings


def assert_one_clear_line(errors: str, *mentioned: str) -> None:
    """One line, besides click's hints on usage: so no traceback either."""
    lines = [line for line in errors.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, errors
    assert [word for word in mentioned if word not in lines[0]] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(tmp_path: Path, command: str) -> None:
    """`--help` works for each command, without any setting."""
    code, output, _ = run_command(command, "--help", environment=clean_environment(), folder=tmp_path)
    assert (code, output.splitlines()[0].split()[:3]) == (0, ["Usage:", "webhook-service", command])


# sign


def headers_in(output: str) -> dict[str, str]:
    """As `curl -H @headers.txt` reads them."""
    pairs = [line.split(": ", 1) for line in output.splitlines()]
    return {"Content-Type": "application/json"} | {name: value for name, value in pairs}


def test_signed_headers_are_accepted(run: Run, start_server: StartServer) -> None:
    """What `sign` prints for a payload makes a real server take that payload, under the id that was given."""
    code, output, _ = run("sign", "--id", "by-hand-1", stdin=EVENT)
    assert code == 0
    url = f"{start_server().url}/webhook/auth"
    answer = httpx.post(url, content=EVENT.encode(), headers=headers_in(output))
    assert answer.json() == {"event_id": "by-hand-1", "status": "SUCCESS", "outcome": "unmatched"}


def test_a_minted_token_is_accepted(run: Run, start_server: StartServer) -> None:
    """What `sign --token` prints makes a server that allows tokens take a payload."""
    code, output, _ = run("sign", "--token", "dashboard")
    assert code == 0
    url = f"{start_server(WEBHOOK_STATIC_TOKEN='on').url}/webhook/auth"
    assert httpx.post(url, content=EVENT.encode(), headers=headers_in(output)).status_code == 200


def test_each_signature_has_an_id_of_its_own(run: Run) -> None:
    """Without --id, two payloads that are signed one after the other are two events."""
    ids = {headers_in(run("sign", stdin=EVENT)[1])["webhook-id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_bad_id_is_refused(run: Run) -> None:
    """An event id that no receiver would take is refused in one line."""
    code, _, errors = run("sign", "--id", "a.b", stdin=EVENT)
    assert code == 2
    assert_one_clear_line(errors, "--id")


def test_signing_needs_a_secret(tmp_path: Path) -> None:
    """Without any secret, `sign` says in one line what is missing."""
    code, output, errors = run_command("sign", environment=clean_environment(), folder=tmp_path, stdin=EVENT)
    assert (code, output) == (1, "")
    assert_one_clear_line(errors, "WEBHOOK_SECRETS")


# sql and migrate


def test_sql_is_what_migrate_does(run: Run, empty_database_url: str) -> None:
    """The printed migrations bring an empty database to where `migrate` finds nothing to do."""
    _, script, _ = run("sql")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"begin; {script} commit".encode())
    assert run("migrate", DATABASE_URL=empty_database_url) == (0, "The database is up to date.\n", "")


def test_sql_writes_the_same_files_each_time(run: Run, tmp_path: Path) -> None:
    """`sql --output-dir` writes a file per migration, named in order, and the same ones when it is repeated."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    written = []
    for _ in range(2):
        assert run("sql", "--output-dir", str(folder))[0] == 0
        written.append({path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())})
    assert written[0] == written[1]
    expected = [f"{m.number:06}_webhook_service_{m.name}.sql" for m in migrate.migrations()]
    assert [name[8:] for name in written[0]] == expected


def test_migrate_says_what_it_does(run: Run, empty_database_url: str) -> None:
    """`--dry-run` only tells; then it is done; then there is nothing to do."""
    told = run("migrate", "--dry-run", DATABASE_URL=empty_database_url)
    done = run("migrate", DATABASE_URL=empty_database_url)
    again = run("migrate", DATABASE_URL=empty_database_url)
    assert [told[0], done[0], again[0]] == [0, 0, 0]
    assert told[1].startswith("would apply 0001 tables\n")
    assert told[1].replace("would apply", "applied") == done[1]
    assert again[1] == "The database is up to date.\n"


# replay


@pytest.fixture
def ledger(start_server: StartServer, connection: Connection) -> Connection:
    """99 events that matched nobody and one that was ambiguous; since then, each matches exactly one employee."""
    connection.execute("insert into employees (email) values ('user0@example.com'), ('user0@example.com')")
    users = [insert(user_id(n), email=f"user{n}@example.com", email_confirmed_at=CONFIRMED) for n in range(100)]
    deliver(start_server().url, [Post(f"evt-{n}", user) for n, user in enumerate(users)])
    connection.execute("delete from employees where employee_id = (select min(employee_id) from employees)")
    connection.execute(
        "insert into employees (email) select 'user' || n || '@example.com' from generate_series(1, 99) as n"
    )
    return connection


def linked(connection: Connection) -> int:
    return len(connection.execute("select from employees where auth_user_id is not null").fetchall())


def test_replay_of_one_event(run: Run, ledger: Connection) -> None:
    """An event that failed is applied by its id once its cause is gone, and the ledger says who asked."""
    assert run("replay", "evt-0") == (0, "evt-0: SUCCESS linked\n", "")
    asked = ledger.execute("select requested_by, outcome_before, outcome from integration_sync_replays").fetchall()
    assert [(row["requested_by"][:4], row["outcome_before"], row["outcome"]) for row in asked] == [
        ("cli:", "ambiguous", "linked")
    ]


def test_replay_dry_run(run: Run, ledger: Connection) -> None:
    """A dry run tells how many events fit and what would change, and changes nothing."""
    code, output, _ = run("replay", "--outcome", "ambiguous", "--dry-run")
    assert (code, output.splitlines()[0]) == (0, "1 events fit, 1 would be replayed, 1 change an employee.")
    assert "auth_user_id" in output
    assert linked(ledger) == 0


def test_replay_by_filter(run: Run, ledger: Connection) -> None:
    """What fits the filter is replayed, and nothing else."""
    assert run("replay", "--status", "FAILED", "--yes")[0] == 0
    assert linked(ledger) == 1


def test_replay_asks_first(run: Run, ledger: Connection) -> None:
    """Without --yes, a person is asked, and a no is a no."""
    code, output, _ = run("replay", "--all", stdin="n\n")
    assert (code, linked(ledger)) == (0, 0)
    assert "Replay 100 events?" in output


def test_replay_of_all_twice(run: Run, ledger: Connection) -> None:
    """The whole ledger again, with its progress shown; and once more changes nothing."""
    code, first, _ = run("replay", "--all", "--yes")
    assert (code, linked(ledger)) == (0, 100)
    assert "replaying" in first
    assert "100 events fit, 100 replayed, 100 change an employee." in first
    before = ledger.execute("select * from employees order by employee_id").fetchall()
    code, again, _ = run("replay", "--all", "--yes")
    assert "100 events fit, 100 replayed, 0 change an employee." in again
    assert ledger.execute("select * from employees order by employee_id").fetchall() == before


@pytest.mark.parametrize(
    "arguments",
    [[], ["evt-0", "--all"], ["evt-0", "--status", "FAILED"], ["--status", "LOST"], ["--since", "yesterday"],
     ["--all", "--limit", "0"]],
    ids=" ".join,
)  # fmt: skip
def test_replay_used_wrongly(run: Run, arguments: list[str]) -> None:
    """What does not fit together is a usage error in one line."""
    code, _, errors = run("replay", *arguments)
    assert code == 2
    assert_one_clear_line(errors)


def test_replay_of_an_unknown_event(run: Run) -> None:
    """An id that the ledger does not have is an error in one line."""
    code, _, errors = run("replay", "nobody")
    assert code == 1
    assert_one_clear_line(errors, "event_not_found")


# serve


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[tuple[str, Popen[bytes]]]:
    """`serve` with the embedded PostgreSQL in `folder`/data, ready: its URL and process."""
    port = str(free_port())
    arguments = ("serve", "--port", port, "--data-dir", str(folder / "data"), "--workers", "1")
    environment = environment_in(folder) | settings
    with started_command(*arguments, environment=environment, folder=folder, output=folder / "output.txt") as process:
        serving.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}", process


def sign_here(folder: Path, event_id: str) -> dict[str, str]:
    """Headers for EVENT, signed with the secret of the served folder."""
    arguments = ("sign", "--id", event_id, "--data-dir", str(folder / "data"))
    return headers_in(run_command(*arguments, environment=environment_in(folder), folder=folder, stdin=EVENT)[1])


def test_serve_keeps_its_folder(folder: Path) -> None:
    """Served again from the same folder, secrets and data are as before; secrets are the owner's only."""
    secrets = folder / "data" / "secrets.env"
    with served(folder) as (url, process):
        made = secrets.read_text("ascii")
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        headers = sign_here(folder, "evt-1")
        assert httpx.post(f"{url}/webhook/auth", content=EVENT, headers=headers).json()["outcome"] == "unmatched"
        process.terminate()
        assert process.wait(30) == 0
    with served(folder) as (url, process):
        assert secrets.read_text("ascii") == made
        assert httpx.post(f"{url}/webhook/auth", content=EVENT, headers=headers).json()["outcome"] == "duplicate"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "Ctrl+C"])
def test_serve_ends_with_everything_it_started(folder: Path, how: str) -> None:
    """However `serve` is ended, its PostgreSQL and its server end with it, without a traceback and with 0."""
    with served(folder) as (_, process):
        if how == "Ctrl+C":  # the terminal tells all processes in the foreground
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.Signals[how])
        code = process.wait(30)
        assert processes_about(folder) == []
        assert (code, "Traceback" in (folder / "output.txt").read_text("utf-8")) == (0, False)


def test_serve_that_is_ended_while_it_starts(folder: Path) -> None:
    """A SIGTERM before the server is ready leaves no PostgreSQL behind either."""
    arguments = ("serve", "--port", str(free_port()), "--data-dir", str(folder / "data"))
    output = folder / "output.txt"
    with started_command(*arguments, environment=environment_in(folder), folder=folder, output=output) as process:
        state = folder / "data" / "postgres" / "postmaster.pid"
        wait_for("PostgreSQL is up", lambda: state.exists() and "ready" in state.read_text("utf-8"))
        process.terminate()
        process.wait(30)
        assert processes_about(folder) == []


def test_other_commands_leave_the_served_folder_running(folder: Path) -> None:
    """`replay` and `migrate` on a folder that is being served work, and the server goes on."""
    with served(folder) as (url, _):
        for arguments in (("migrate",), ("replay", "--all", "--yes")):
            here = (*arguments, "--data-dir", str(folder / "data"))
            code, _, errors = run_command(*here, environment=environment_in(folder), folder=folder)
            assert code == 0, errors
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_own_secrets_with_the_embedded_database(folder: Path) -> None:
    """WEBHOOK_SECRETS_FILE outranks the secret that the folder brings."""
    (folder / "secret.txt").write_text(SECRET, "ascii")
    with served(folder, WEBHOOK_SECRETS_FILE=str(folder / "secret.txt")) as (url, _):
        assert httpx.get(f"{url}/readyz").status_code == 200


def test_serve_becomes_gunicorn(database_url: str, folder: Path) -> None:
    """With DATABASE_URL, the process itself becomes gunicorn and gets its signals; SIGTERM ends it with 0."""
    port = free_port()
    arguments = ("serve", "--port", str(port), "--host", "127.0.0.1", "--workers", "3")
    output = folder / "output.txt"
    environment = settings_for(database_url)
    with started_command(*arguments, environment=environment, folder=folder, output=output) as process:
        serving.wait_until_ready(f"http://127.0.0.1:{port}", process)
        assert b"gunicorn" in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert len(children_of(process.pid)) == 3
        process.terminate()
        assert process.wait(30) == 0


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
        ("serve", "PORT", "http"),
        ("serve", "PORT", "70000"),
        ("serve", "WEB_CONCURRENCY", "0"),
        ("serve", "LOG_LEVEL", "chatty"),
        ("migrate", "DATABASE_URL", "db.example.com"),
        ("replay --all", "ADMIN_API_KEY", "short"),
    ],
)
def test_a_bad_setting_is_one_clear_line(run: Run, command: str, variable: str, value: str) -> None:
    """A bad setting ends the command in one line that names the variable, without a traceback."""
    code, _, errors = run(*command.split(), **{variable: value})
    assert code == 1
    assert_one_clear_line(errors, variable.removesuffix("_FILE"))


def test_a_bad_setting_with_the_embedded_database(folder: Path) -> None:
    """With the embedded PostgreSQL too, a bad setting is one clear line."""
    environment = environment_in(folder) | {"MAX_BODY_BYTES": "lots"}
    code, _, errors = run_command("serve", "--port", str(free_port()), environment=environment, folder=folder)
    assert code == 1
    assert_one_clear_line(errors, "MAX_BODY_BYTES")


def test_an_unreachable_database_is_one_clear_line(run: Run) -> None:
    """`migrate` says in one line that the database cannot be reached."""
    code, _, errors = run("migrate", DATABASE_URL="postgresql://127.0.0.1:1/postgres")
    assert code == 1
    assert_one_clear_line(errors, "database_unreachable")
