"""Creates logins for all active employees who have none, with `logins.hire`, at the rate of all relays together.

A run may be killed at any moment, and several runs may work at the same time. Each login has an intent in the ledger,
under a lease, so no other run begins the same login. The intents of a killed run are finished or undone after their
leases have ended.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from webhook_service.errors import (
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    DatabaseError,
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    NotPossible,
    ServiceError,
    Unavailable,
)
from webhook_service.outbound import logins
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.candidates import BEFORE_ALL, Candidate, page_of
from webhook_service.outbound.intents import Intents
from webhook_service.outbound.pace import Pace, Stopped

VIA = "provision"
PAGE_SIZE = 20
"""Small, because a run notices a change of a candidate only when it reads the next page."""

POLL_SECONDS = 1
MAX_WAIT_SECONDS = logins.INTENT_LEASE_SECONDS + 30
"""The longest wait at the end of a run for logins that are in progress. It is longer than their leases."""

FATAL_REASONS = ("auth_key_refused", "auth_too_old")
"""Reasons for which Auth refuses every login, so the run ends."""


@dataclass(slots=True)
class Provisioned:
    """The progress of a run, counted in employees.

    `had_login` holds the employee_ids that count in `linked` or `has_login`: a password that was announced for them
    opens nothing.
    `finished` counts logins that another run began, or that were begun while Auth did not respond. `has_login` counts
    employees who got a login before this run created one. `refused` is {employee_id: reason}. `under_way` holds the
    employee_ids whose login was begun, but is not known to exist. `ended_by` is the error that ended the run early.
    """

    created: int = 0
    linked: int = 0
    finished: int = 0
    has_login: int = 0
    had_login: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    is_stopped: bool = False
    ended_by: ServiceError | None = None

    @property
    def made(self) -> int:
        return self.created + self.linked

    @property
    def seen(self) -> int:
        return self.made + self.finished + self.has_login + len(self.refused) + len(self.under_way)


@dataclass(slots=True)
class Provisioning:
    """One run of `provision`.

    `announce` receives employee_id, e-mail and password (None with `invite`) before Auth is called. `progress` receives
    the counts after each employee. `limit` is the largest number of logins. `shared` holds the e-mails that
    `candidates.shared_emails` returned, which are refused. Candidates with an employee_id up to `after` are left out,
    and `after` advances during the run. The run ends after `most_seen` candidates.
    """

    accounts: Accounts
    pace: Pace
    requested_by: str
    announce: Callable[[int, str, str | None], object]
    progress: Callable[[Provisioned], object] = lambda done: None
    invite: bool = False
    orphans: bool = False
    limit: int | None = None
    after: int = BEFORE_ALL
    most_seen: int | None = None
    shared: frozenset[str] = frozenset()
    done: Provisioned = field(default_factory=Provisioned)

    def run(self) -> Provisioned:
        """Create the logins of all candidates, then wait for logins that are in progress.

        A ServiceError that ends the run early is returned in `ended_by`. It may be an error of `announce`.
        """
        try:
            self.pace.until_auth_answers()
            self.pace.succeeded()
            self._intents.settle_due()
            self._work_through()
            self._wait_for_the_rest()
        except Stopped:
            self.done.is_stopped = True
        except ServiceError as error:
            self.done.ended_by = error
        return self.done

    @property
    def _intents(self) -> Intents:
        return Intents(self.accounts, self.pace, VIA)

    @property
    def _is_full(self) -> bool:
        return self.limit is not None and self.done.made >= self.limit

    def _work_through(self) -> None:
        page = self._page(self.after)
        while page and not self._is_full and (self.most_seen is None or self.done.seen < self.most_seen):
            self.pace.take_token()
            if self.pace.has_waited:  # the candidates may have changed during the wait
                self.pace.has_waited = False
                page = self._page(self.after)
            if page and (self._provision(page[0]) or page[0].employee_id in self.done.under_way):
                self.after = page.pop(0).employee_id
            self.progress(self.done)
            page = page or self._page(self.after)

    def _page(self, after: int, limit: int = PAGE_SIZE) -> list[Candidate]:
        return page_of(self.pace.call, after, limit, orphans=self.orphans)

    def _provision(self, candidate: Candidate) -> bool:
        """Create one login, and return whether it is settled.

        A login that is not settled is in progress, or Auth has requested a pause. The caller must take a token before
        it reads the candidate.
        """
        employee_id = candidate.employee_id
        if candidate.email in self.shared:
            return self._refuse(employee_id, "ambiguous (other employees without a login have this e-mail)")
        try:
            self._create(candidate)
        except AuthThrottled as error:
            self.pace.pause(error)
            return False
        except (Unavailable, AuthUnavailable) as error:
            self.done.under_way.add(employee_id)
            self.pace.wait_out(error)
            return False
        except NotPossible as error:
            if error.reason == "under_way":
                self.done.under_way.add(employee_id)
                return False
            if error.reason == "inactive":
                return self._refuse(employee_id, error.reason)
            if error.reason != "has_login":
                raise
            self.done.has_login += 1
            self.done.had_login.add(employee_id)
        except (EmployeeNotFound, EmployeeRejected, EmailTaken, AuthRefused) as error:
            if error.reason in FATAL_REASONS:
                raise
            return self._refuse(employee_id, reason_of(error))
        self.pace.succeeded()
        return True

    def _refuse(self, employee_id: int, reason: str) -> bool:
        self.done.refused[employee_id] = reason
        self.pace.succeeded()
        return True

    def _create(self, candidate: Candidate) -> None:
        """Create a login, or link the auth user that already has the e-mail."""
        employee, email = {"employee_id": candidate.employee_id}, candidate.email
        try:
            logins.hire(
                self.accounts,
                employee,
                email,
                via=VIA,
                requested_by=self.requested_by,
                invite=self.invite,
                announce=lambda password: self.announce(candidate.employee_id, email, password),
            )
            self.done.created += 1
        except EmailTaken:
            holder = self.pace.call("auth_sync_email_holder_v1", p_email=email)
            if holder is None:
                raise
            user = UUID(holder["auth_user_id"])
            try:
                logins.adopt(self.accounts.database, employee, email, user, via=VIA, requested_by=self.requested_by)
            except DatabaseError as error:
                raise EmployeeRejected("The employees table refuses the link.", {}) from error
            self.done.linked += 1
            self.done.had_login.add(candidate.employee_id)

    def _wait_for_the_rest(self) -> None:
        count = 0
        for waited in range(0, MAX_WAIT_SECONDS + POLL_SECONDS, POLL_SECONDS):
            for employee_id in sorted(self.done.under_way):
                if self._is_full:
                    return
                if self._check_again(employee_id, is_late=waited > logins.INTENT_LEASE_SECONDS):
                    self.done.under_way.discard(employee_id)
                    self.progress(self.done)
            if not self.done.under_way:
                return
            if count != len(self.done.under_way):
                count = len(self.done.under_way)
                left = MAX_WAIT_SECONDS - waited
                self.pace.say(f"{count} are in progress in another run, or not confirmed yet: waiting up to {left} s")
            self.pace.rest(POLL_SECONDS, "")

    def _check_again(self, employee_id: int, *, is_late: bool) -> bool:
        """Return whether the login that was in progress is settled now."""
        intent = self._intents.newest_of(employee_id, is_late=is_late)
        if intent.is_open:
            return False
        if intent.error is not None:
            return self._refuse(employee_id, intent.error)
        self.pace.take_token()
        page = self._page(employee_id - 1, 1)
        if page and page[0].employee_id == employee_id:
            return self._provision(page[0])
        if not intent.is_finished:
            return self._refuse(employee_id, "changed_meanwhile")
        self.done.finished += 1
        return True


def reason_of(error: EmployeeNotFound | EmployeeRejected | EmailTaken | AuthRefused) -> str:
    """Return the error's reason and details, without personal data, such as `email_taken (employee 7 has it)`."""
    more = ""
    if isinstance(error, EmailTaken):
        holder = error.holder.get("employee_id")
        more = (
            f"employee {holder} has it"
            if holder is not None
            else "an auth user has it, unconfirmed or not yet known to this service"
        )
    elif isinstance(error, EmployeeRejected):
        more = ", ".join(fact for fact in error.facts.values() if fact)
    elif isinstance(error, AuthRefused):
        more = error.code
    return f"{error.reason} ({more})" if more else error.reason
