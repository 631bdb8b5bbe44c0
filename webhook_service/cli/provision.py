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
from webhook_service.cli.data_dir import DATA_DIR, environment_of, who
from webhook_service.log import dict_config
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.candidates import Candidate, printable, shared_emails, without_login
from webhook_service.outbound.pace import Pace
from webhook_service.outbound.password_file import PasswordFile, new_file
from webhook_service.outbound.provision import Provisioned, Provisioning
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.ports import Database

LABEL = "creating logins"
Bar = Any
"""A progress bar of click's, whose type is not public."""
SLICE = 0.1
"""Seconds, after which a wait looks whether it shall end."""


@click.command(short_help="Create logins for employees without one.")
@click.option("--dry-run", is_flag=True, help="Only show for whom: calls nobody, writes nothing.")
@click.option("--limit", type=click.IntRange(1), help="At most so many logins.  [default: all]")
@click.option("--invite", is_flag=True, help="Auth mails an invitation to each, instead of a temporary password.")
@click.option("--orphans", is_flag=True, help="Also for employees whose login was deleted.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File of the temporary passwords; one of an earlier run is added to.  [default: logins-<UTC time>.csv]",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@DATA_DIR
def provision(
    dry_run: bool, limit: int | None, invite: bool, orphans: bool, output: Path | None, yes: bool, data_dir: Path
) -> None:
    """Create a login for each active employee without one, in the order of employee_id.

    It needs the Auth Admin API: SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, also where DATABASE_URL is the database.
    It creates AUTH_RATE logins a second (5), together with what all relays do. Where Auth has a user already, with the
    employee's e-mail, confirmed, and no employee's, the employee gets that one, with the password it has.

    The file is CSV (employee_id, email, temporary_password), and only you can read it: whoever has it can sign in as
    them, so delete it after use. A line is on the disk before its login is created, and no kill loses a password.
    Where an employee stands twice, the last line counts, also over several files. An e-mail that begins with = + - or
    @ has a ' before it, so that no spreadsheet takes it for a formula.

    Ctrl+C ends it after the one under way. However it ends, run it again to go on: nobody gets two logins. Exit code 1
    where somebody got none; the end of the output says who, and why.
    """
    if output is not None and (invite or dry_run):
        raise click.UsageError("--output is for passwords: neither --invite nor --dry-run makes any.")
    with environment_of(data_dir) as environment, connected(environment) as (database, accounts):
        if accounts is None and not dry_run:
            raise no_auth_admin()
        candidates = without_login(database.call, orphans=orphans)
        shared = shared_emails(candidates)
        chosen = candidates[:limit]
        if accounts is None or dry_run or not candidates:
            show_candidates(chosen, len(candidates), shared)
            return
        verb = "Invite" if invite else "Create logins for"
        if not yes:
            click.confirm(f"{verb} {len(chosen)} of {len(candidates)} employees without a login?", abort=True)
        with (
            Ending() as ending,
            passwords_in(output, is_needed=not invite) as file,
            click.progressbar(length=len(chosen), label=LABEL, show_pos=True) as bar,
        ):
            pace = Pace(accounts, ending.wait, partial(say, bar))
            announce, progress = partial(write_down, file), partial(show_progress, bar)
            done = Provisioning(
                accounts, pace, who(), announce, progress, invite=invite, orphans=orphans, limit=limit, shared=shared
            ).run()
    show(done, file)
    if done.ended_by is not None:
        raise done.ended_by
    sys.exit(ending.exit_code or bool(done.refused or done.under_way))


@contextmanager
def connected(environment: dict[str, str]) -> Iterator[tuple[Database, Accounts | None]]:
    logging.config.dictConfig(dict_config("ERROR"))  # what goes wrong is told at the end
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
    """Ctrl+C and SIGTERM end a run in order; a second one ends it at once."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Ending":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = 128 + number
        self.__exit__()

    def wait(self, seconds: float) -> bool:
        """In slices: an event could not be set by the handler while the same thread waits for it."""
        ends = time.monotonic() + seconds
        while not self.exit_code and (left := ends - time.monotonic()) > 0:
            time.sleep(min(SLICE, left))
        return self.exit_code > 0


def say(bar: Bar, text: str) -> None:
    """What is being waited for: beside the bar, or where there is no terminal, as a line."""
    if sys.stdout.isatty():
        bar.label = f"{LABEL} ({text})"
        bar.render_progress()
    else:
        click.echo(text, err=True)


def show_progress(bar: Bar, done: Provisioned) -> None:
    bar.label = LABEL
    bar.update(done.seen - bar.pos)


def show_candidates(chosen: Sequence[Candidate], count: int, shared: frozenset[str]) -> None:
    click.echo(f"{count} employees without a login; this would be for {len(chosen)}:" if chosen else "Nobody is left.")
    for candidate in chosen:
        note = "  (ambiguous: it would be refused)" if candidate.email in shared else ""
        click.echo(f"  {candidate.employee_id:>8}  {printable(candidate.email)}{note}")


def show(done: Provisioned, file: PasswordFile | None) -> None:
    counts = {
        "created": done.created,
        "linked to the auth user that was there": done.linked,
        "finished that had been begun before; a password stands where it was written then": done.finished,
        "had got a login just before": done.has_login,
        "under way, and not known to be done: run it again": len(done.under_way),
    }
    counts |= {f"refused: {reason}": number for reason, number in reasons(done).items()}
    for what, number in counts.items():
        if number or what == "created":
            click.echo(f"  {number:>6} {what}")
    for employee_id, reason in sorted(done.refused.items() | {(each, "under_way") for each in done.under_way}):
        click.echo(f"  employee {employee_id}: {reason}")
    if file is not None and file.employees:
        click.echo(f"Temporary passwords of {len(file.employees)} employees are in {file.path}, for you only to read.")
        click.echo("Whoever has this file can sign in as them: delete it once they have their passwords.")
    if done.is_stopped or done.ended_by is not None:
        click.echo("It has ended early: run it again to go on.")


def reasons(done: Provisioned) -> dict[str, int]:
    """How many were refused, by the first word of why."""
    return dict(Counter(sorted(reason.split()[0] for reason in done.refused.values())))
