"""Provisions logins: one for each active employee without one, with `logins.hire`, at the relays' shared rate.

A run may be killed at any moment, and several may run at once: each login has an intent in the ledger, under a lease,
so no other run begins it. The intents of a killed run are finished or undone once their leases have ended.
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
"""Small, because a candidate that changes before its turn is read again only with the next page."""

POLL_SECONDS = 1
MAX_WAIT_SECONDS = logins.INTENT_LEASE_SECONDS + 30
"""How long a run waits at its end for the logins that are under way: longer than their leases."""

FATAL_REASONS = ("auth_key_refused", "auth_too_old")
"""Reasons for which Auth refuses every login, not one."""


@dataclass(slots=True)
class Provisioned:
    """The progress of a run, counted in employees.

    `finished` were begun by another run, or while Auth did not respond. `has_login` got a login just before their turn.
    `refused` is {employee_id: reason}. `under_way` holds the employee_ids whose login was begun and is not known to be
    created. `ended_by` is the error that ended the run early.
    """

    created: int = 0
    linked: int = 0
    finished: int = 0
    has_login: int = 0
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
    """One run.

    `announce` receives employee_id, e-mail and password (None with `invite`) before Auth does. `progress` receives the
    counts after each employee. `limit` is the largest number of logins, `shared` the e-mails of
    `candidates.shared_emails`, which are refused.
    """

    accounts: Accounts
    pace: Pace
    requested_by: str
    announce: Callable[[int, str, str | None], object]
    progress: Callable[[Provisioned], object] = lambda done: None
    invite: bool = False
    orphans: bool = False
    limit: int | None = None
    shared: frozenset[str] = frozenset()
    done: Provisioned = field(default_factory=Provisioned)

    def run(self) -> Provisioned:
        """Provision all candidates, then wait for those that are under way.

        A ServiceError that ends the run early, also one of `announce`, is returned in `ended_by`.
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
        after = BEFORE_ALL
        page = self._page(after)
        while page and not self._is_full:
            self.pace.take_token()
            if self.pace.has_waited:  # the candidates may have changed meanwhile
                self.pace.has_waited = False
                page = self._page(after)
            if page and (self._provision(page[0]) or page[0].employee_id in self.done.under_way):
                after = page.pop(0).employee_id
            self.progress(self.done)
            page = page or self._page(after)

    def _page(self, after: int, limit: int = PAGE_SIZE) -> list[Candidate]:
        return page_of(self.pace.call, after, limit, orphans=self.orphans)

    def _provision(self, candidate: Candidate) -> bool:
        """Provision one login, and return whether it is settled. If not, it is under way, or Auth requests a pause.

        The caller took a token for it before it read the candidate.
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
                self.pace.say(f"{count} are under way in another run, or not confirmed yet: waiting up to {left} s")
            self.pace.rest(POLL_SECONDS, "")

    def _check_again(self, employee_id: int, *, is_late: bool) -> bool:
        """Whether the login that was under way is settled now."""
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
    """Return the error's reason with known details, without personal data: `email_taken (employee 7 has it)`."""
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
