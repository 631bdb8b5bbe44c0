"""The command `webhook-service provision`."""

import logging.config
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from webhook_service import config
from webhook_service.app import accounts_for, database_for
from webhook_service.cli import output as printed
from webhook_service.cli.data_dir import DATA_DIR, environment_of, requester
from webhook_service.doctor.table_checks import is_active_warning
from webhook_service.events import Json
from webhook_service.log import dict_config
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.candidates import Candidate, shared_emails, without_login
from webhook_service.outbound.pace import Pace
from webhook_service.outbound.password_file import PasswordFile, new_file
from webhook_service.outbound.provision import Provisioned, Provisioning
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.ports import Database
from webhook_service.wording.counts import counted

LABEL = "creating logins"
CREATE = "Create logins for {chosen} of {count} employees without a login?"
INVITE = "Invite {chosen} of {count} employees without a login?"
WITHOUT_LOGIN = "Employees without a login: {count}. This command would create {chosen}:"
SHARED_EMAIL = "ambiguous: another employee has this e-mail, so it would be refused"
PASSWORDS = (
    "The temporary password of {count} employee is in {file}. Only you can read it.\n"
    "Anyone with this file can sign in as this employee: delete it when the employee has the password.",
    "The temporary passwords of {count} employees are in {file}. Only you can read it.\n"
    "Anyone with this file can sign in as them: delete it when they have their passwords.",
)
REFUSED_LINES = (
    "{file} has a line for {count} employee without a login, because it was refused. That password opens nothing.",
    "{file} has lines for {count} employees without a login, because it was refused. Those passwords open nothing.",
)
LINES_OF_OTHERS = (
    "{file} has a line for {count} employee with a login of before. That password opens nothing.",
    "{file} has lines for {count} employees with a login of before. Those passwords open nothing.",
)
Bar = Any
"""A progress bar of click, whose type is not public."""
WAIT_SLICE_SECONDS = 0.1
"""The interval in which a wait checks whether a signal has arrived."""


@click.command(short_help="Create logins for employees without one.")
@click.option("--dry-run", is_flag=True, help="Only list the employees. Do not call Auth or write anything.")
@click.option("--limit", type=click.IntRange(1), help="Maximum number of logins.  [default: all]")
@click.option("--invite", is_flag=True, help="Let Auth mail invitations instead of making temporary passwords.")
@click.option("--orphans", is_flag=True, help="Include employees whose login was deleted.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File for the temporary passwords. Lines are appended if it exists.  [default: logins-<UTC time>.csv]",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@printed.JSON
@DATA_DIR
def provision(
    dry_run: bool,
    limit: int | None,
    invite: bool,
    orphans: bool,
    output: Path | None,
    yes: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Create a login for each active employee without a login, in the order of employee_id.

    The command needs the Auth Admin API: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, even if DATABASE_URL names the
    database. The command and all relays together perform at most AUTH_RATE actions a second (default 5). Auth may
    already have a user with the employee's e-mail. If the e-mail is confirmed and the user is not linked to another
    employee, the command links that user. Its password does not change.

    The file is CSV (employee_id, email, temporary_password), and only you can read it. Anyone with the file can sign in
    as these employees, so delete the file after use. A line is on the disk before its login is created, so a killed
    command loses no password. If an employee has several lines, even in several files, the last line counts. An e-mail
    that begins with = + - or @ has a ' before it, so that a spreadsheet does not read it as a formula.

    Ctrl+C stops the command after the current login. Run the command again to continue, even if it was killed. No
    employee gets two logins. The exit code is 1 if an employee got no login. The end of the output lists these
    employees and the reasons.
    """
    if output is not None and (invite or dry_run):
        raise click.UsageError("--output needs passwords to write. Remove it, or remove --invite or --dry-run.")
    with environment_of(data_dir) as environment, connected(environment) as (database, accounts):
        if accounts is None and not dry_run:
            raise no_auth_admin()
        warn_of_leavers(database)
        candidates = without_login(database.call, orphans=orphans)
        shared = shared_emails(candidates)
        chosen = candidates[:limit]
        if accounts is None or dry_run or not candidates:
            if as_json:
                printed.emit(candidates_json(chosen, len(candidates), shared))
            else:
                show_candidates(chosen, len(candidates), shared)
            return
        if not yes:
            question = INVITE if invite else CREATE
            printed.ask(question.format(chosen=len(chosen), count=len(candidates)))
        with (
            Ending() as ending,
            passwords_in(output, is_needed=not invite) as file,
            printed.bar(len(chosen), LABEL) as bar,
        ):
            pace = Pace(accounts, ending.wait, partial(say, bar))
            announce, progress = partial(write_down, file), partial(show_progress, bar)
            done = Provisioning(
                accounts,
                pace,
                requester(),
                announce,
                progress,
                invite=invite,
                orphans=orphans,
                limit=limit,
                shared=shared,
            ).run()
    if as_json:
        printed.emit(result_json(done, file))
    else:
        show(done, file)
    if done.ended_by is not None and not as_json:
        raise done.ended_by
    sys.exit(ending.exit_code or bool(done.refused or done.under_way or done.ended_by))


def warn_of_leavers(database: Database) -> None:
    """Warn if every employee counts as active because this service added is_active."""
    if (warning := is_active_warning(database)) is not None:
        click.secho(f"WARNING: {warning}. See docs/how-to/existing-table.md.", fg="yellow", err=True)


@contextmanager
def connected(environment: dict[str, str]) -> Iterator[tuple[Database, Accounts | None]]:
    logging.config.dictConfig(dict_config("ERROR"))  # the end of the output lists the failures
    auth, rate, policy = config.auth_admin(environment), config.auth_rate(environment), config.policy(environment)
    database = database_for(config.connection(environment))
    with closing(database):
        accounts = accounts_for(auth, database, policy, rate)
        with closing(accounts.admin) if accounts is not None else nullcontext():
            yield database, accounts


@contextmanager
def passwords_in(output: Path | None, *, is_needed: bool) -> Iterator[PasswordFile | None]:
    if not is_needed:
        yield None
        return
    file = PasswordFile(output) if output is not None else new_file(Path(), datetime.now(UTC))
    try:
        yield file
    finally:
        file.close()


def write_down(file: PasswordFile | None, employee_id: int, email: str, password: str | None) -> None:
    if file is not None and password is not None:
        file.add(employee_id, email, password)


class Ending:
    """Ends a run after the current login when Ctrl+C or SIGTERM arrives. A second signal ends the run immediately."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Ending":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = 128 + number
        self.__exit__()

    def wait(self, seconds: float) -> bool:
        """Wait, at most `seconds`, and return whether the run must end.

        The wait sleeps in slices, because a signal handler cannot wake its thread from waiting for an event.
        """
        ends = time.monotonic() + seconds
        while not self.exit_code and (left := ends - time.monotonic()) > 0:
            time.sleep(min(WAIT_SLICE_SECONDS, left))
        return self.exit_code > 0


def say(bar: Bar, text: str) -> None:
    """Show the reason for a wait beside the bar, or as a line if there is no terminal."""
    if sys.stdout.isatty() and not printed.is_json():
        bar.label = f"{LABEL} ({text})"
        bar.render_progress()
    else:
        click.echo(text, err=True)


def show_progress(bar: Bar, done: Provisioned) -> None:
    bar.label = LABEL
    bar.update(done.seen - bar.pos)


def show_candidates(chosen: Sequence[Candidate], count: int, shared: frozenset[str]) -> None:
    click.echo(WITHOUT_LOGIN.format(count=count, chosen=len(chosen)) if chosen else "Every employee has a login.")
    if chosen:
        rows = [(each.employee_id, each.email, SHARED_EMAIL if each.email in shared else "") for each in chosen]
        printed.table(("employee", "e-mail", "note"), rows)


def candidates_json(chosen: Sequence[Candidate], count: int, shared: frozenset[str]) -> dict[str, Json]:
    rows: list[Json] = [
        {"employee_id": each.employee_id, "email": each.email, "is_ambiguous": each.email in shared} for each in chosen
    ]
    return {"without_login": count, "employees": rows}


def result_json(done: Provisioned, file: PasswordFile | None) -> dict[str, Json]:
    """Return the result of a run. A run that ended early has the error too."""
    counts = {name: getattr(done, name) for name in ("created", "linked", "finished", "has_login")}
    more = {
        "refused": [{"employee_id": each, "reason": reason} for each, reason in sorted(done.refused.items())],
        "under_way": sorted(done.under_way),
        "is_complete": not done.is_stopped and done.ended_by is None,
        "password_file": str(file.path) if file is not None else None,
    }
    error = done.ended_by
    return counts | more | (printed.error_json(error.reason, error.detail) if error is not None else {})


def show(done: Provisioned, file: PasswordFile | None) -> None:
    counts = {
        "created": done.created,
        "linked to an existing auth user": done.linked,
        "begun by an earlier run and finished now; the earlier run's file has the password": done.finished,
        "got a login from another process": done.has_login,
        "not known to be finished: run the command again": len(done.under_way),
    }
    counts |= {f"refused: {reason}": number for reason, number in reasons(done).items()}
    for label, number in counts.items():
        if number or label == "created":
            click.echo(f"  {number:>6} {label}")
    for employee_id, reason in sorted(done.refused.items() | {(each, "under_way") for each in done.under_way}):
        click.echo(f"  employee {employee_id}: {reason}")
    if file is not None:
        show_passwords(done, file)
    if done.is_stopped or done.ended_by is not None:
        click.echo("The command ended early: run it again to continue.")


def show_passwords(done: Provisioned, file: PasswordFile) -> None:
    """Count the passwords in the file that open a login, and the lines whose password opens nothing."""
    useful = file.employees - done.refused.keys() - done.had_login - done.under_way
    for numbers, one, many in (
        (useful, *PASSWORDS),
        (file.employees & done.refused.keys(), *REFUSED_LINES),
        (file.employees & done.had_login, *LINES_OF_OTHERS),
    ):
        if numbers:
            click.echo(counted(len(numbers), one, many, file=file.path))


def reasons(done: Provisioned) -> dict[str, int]:
    """Return the number of refusals by the first word of their reason."""
    return dict(Counter(sorted(reason.split()[0] for reason in done.refused.values())))
