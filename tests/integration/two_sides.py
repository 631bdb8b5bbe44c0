"""Random changes by HR and by Auth, with events and actions in any order, while every part fails at times.

    with sides(database_url, Plan(seed=1)) as there:
        there.begin()
        live(there)
        there.rest()

two_sides_moves has the changes. two_sides_rules has the rules that must hold afterwards.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.employees import Connection
from tests.integration.captured import end_leases
from tests.integration.two_sides_changes import LINKED, AuthSide, Hr, address
from tests.integration.two_sides_unsteady import CHANCES, TIMEOUT, Killed, Unsteady
from webhook_service.app import utc_now
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.migrate import trigger_settings
from webhook_service.events import Outcome
from webhook_service.ledger.relay import run_once
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import AuthAdmin, Database

TURNS = 20
"""The number of turns in which events and actions may cause each other. An endless exchange exceeds it."""
UNAPPLIED = (Outcome.AMBIGUOUS, Outcome.ALREADY_LINKED, Outcome.EMAIL_TAKEN, Outcome.EMPLOYEE_REJECTED)
"""Outcomes of events that only another change can resolve. A retry fails again."""

TIME_PASSES = (
    "update auth_sync_session_ends set due_at = now()",
    "update auth_sync_rate set paused_until = now(), refilled_at = now() - interval '1 hour'",
    "update auth_sync_hires set seen_at = seen_at - interval '1 hour' where seen_at is not null",
    """
update integration_sync_log set next_attempt_at = now()
 where id in (select id from integration_sync_log
               where status <> 'SUCCESS' and next_attempt_at > now() for update skip locked)
""",
)
"""Statements that let time pass. Each runs in a separate transaction and blocks no other transaction."""
LEASES_OF = """
update integration_sync_log set leased_until = now() - interval '1 second'
 where id in (select id from integration_sync_log where lease = any(%s) for update skip locked)
"""
CLEAR = """
truncate employees, integration_sync_log, integration_sync_replays, auth_sync_attempts, auth_user_state,
  auth_sync_hires, auth_sync_former_keys, auth_sync_relays, auth_sync_session_ends, witness.seen,
  auth.users, auth.sessions
  restart identity;
update auth_sync_rate set failures = 0, tokens = 0, paused_until = now(), refilled_at = now();
drop index if exists emails_of_employees;
"""
UNIQUE = "create unique index emails_of_employees on employees (lower(btrim(email, E' \\t\\r\\n')))"


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run. The same seed gives the same run if only one action runs at a time.

    Every fourth seed performs several actions at the same time, and their threads interleave at random. With every
    third
    seed, no two employees may have the same e-mail.
    """

    seed: int
    owner: EmailOwner = EmailOwner.AUTH

    @property
    def at_once(self) -> int:
        """Return the number of actions that are claimed at a time and per second."""
        return 8 if self.seed % 4 == 0 else 1

    @property
    def is_unique(self) -> bool:
        return self.seed % 3 == 0

    def dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}-{name}")


@dataclass(slots=True)
class Tally:
    """Counts of changes of employees and auth users, of crashes and of repeated actions, and the story of a run."""

    changes: int = 0
    crashes: int = 0
    again: int = 0
    story: list[str] = field(default_factory=list)


class Sides:
    """A database with both sides, the double of Auth in front of it, and the service that keeps them in sync."""

    def __init__(
        self,
        plan: Plan,
        connection: Connection,
        database: Database,
        server: AuthServer,
        admin: AuthAdmin,
        hr: psycopg.Connection[Any],
        auth: psycopg.Connection[Any],
    ) -> None:
        self.connection = connection
        self.database = database
        self.server = server
        self.policy = Policy(email_owner=plan.owner)
        self.hr = Hr(hr, plan.dice("hr"))
        self.auth = AuthSide(auth, plan.dice("auth"))
        self.accounts = Accounts(database, Unsteady(admin, self._meanwhile), plan.owner, plan.at_once, utc_now)
        self.tally = Tally()
        self.dice = plan.dice("steps")
        self._fate = plan.dice("fate")
        self._lock = threading.RLock()
        self._is_quiet = True
        self.runs_relays = False
        """Whether relays run beside the changes, so that each change may fall between two calls of an action."""

    def begin(self) -> None:
        """Create employees who have logins. No call fails yet."""
        for place in LINKED:
            self.tally.changes += self.hr.hire(address(place)) + self.auth.sign_up(address(place))
        self.turn()

    @contextmanager
    def unsteady(self) -> Iterator[None]:
        """Let calls to Auth fail, processes die between two calls, and other changes happen between the calls."""
        self.server.chances, self._is_quiet = CHANCES, False
        yield
        self.server.chances, self._is_quiet = {}, True

    def rest(self) -> None:
        """Run turns with all time passed until no event or action is due. Fails after TURNS turns."""
        for _ in range(TURNS):
            self.time_passes()
            if not self.turn():
                return
        raise AssertionError(f"events or actions are still due after {TURNS} turns")

    def turn(self) -> int:
        """Apply all due events and perform all due actions, and return their number."""
        done = 0
        while (ran := run_once(self.database, self.policy, name="last")).claimed:
            done += sum(count for outcome, count in ran.outcomes.items() if outcome not in UNAPPLIED)
        while performed := self.perform():
            done += performed
        return done

    def rows(self) -> int:
        """Count the events and actions of the ledger."""
        query = "select count(*) as number from integration_sync_log where direction <> 'maintenance'"
        [found] = self.connection.execute(query).fetchall()
        return int(found["number"])

    def change(self, *, alone: bool = True) -> None:
        with self._lock:
            hr_does = self.dice.random() < 0.5
            changed = (
                self.hr.change(self.accounts, alone=alone)
                if hr_does
                else self.auth.change(alone=alone and not self.runs_relays)
            )
            self.tally.changes += changed

    def perform(self) -> int:
        self.connection.execute("update auth_sync_rate set tokens = %s", [self.accounts.rate])
        return self.accounts.run_once("relay").claimed

    def time_passes(self, dead: list[str] | None = None) -> None:
        """End all leases, pauses and backoffs. While relays run, end only the leases of the `dead` relays."""
        if dead is None:
            end_leases(self.connection)
        self.connection.execute(LEASES_OF, [dead or []])
        for statement in TIME_PASSES:
            self.connection.execute(statement)

    def _meanwhile(self, where: str) -> None:
        """Let the process die or make another change at this moment of an action. In most cases, do neither."""
        with self._lock:
            roll = 1.0 if self._is_quiet else self._fate.random()
            if roll < 0.03:
                self.say(f"killed {where}")
                raise Killed
            if roll < 0.15:
                self.say(f"a change {where}")
                self.change(alone=False)

    def say(self, what: str) -> None:
        self.tally.story.append(what)


def put_witnesses(url: str) -> None:
    """Install the witnesses in a migrated database that has the stand-in for Auth. No ban waits for an admin."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("two_sides.sql", "two_sides_rules.sql"):
            connection.execute(files("tests.integration").joinpath(name).read_bytes())
        connection.execute("select auth_sync_limit_deactivations_v1('off')")


@contextmanager
def sides(url: str, plan: Plan) -> Iterator[Sides]:
    """Open both sides on a database with witnesses, and remove all other contents of the database."""

    def named(name: str) -> str:
        return make_conninfo(url, application_name=name)

    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(named("test"), autocommit=True, row_factory=dict_row))
        connection.execute(CLEAR)
        if plan.is_unique:
            connection.execute(UNIQUE)
        hr = stack.enter_context(psycopg.connect(named("hr"), autocommit=True))
        auth = stack.enter_context(psycopg.connect(named("auth"), autocommit=True))
        database = stack.enter_context(closing(DirectDatabase(named("service"))))
        database.call("auth_sync_configure_v1", **trigger_settings(Policy(email_owner=plan.owner)))
        server = stack.enter_context(auth_server(named("api"), seed=plan.seed))
        admin = stack.enter_context(closing(SupabaseAuthAdmin(server.url, server.key, timeout=TIMEOUT)))
        yield Sides(plan, connection, database, server, admin, hr, auth)
