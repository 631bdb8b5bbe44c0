"""Performs the ledger's due actions at the Auth Admin API.

A relay claims an action under a lease, performs it outside of any transaction, and settles it while it still holds the
lease. An action is idempotent. The relay reads the auth user before and after the call, so it knows whether the call
took effect even if the response was lost.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from webhook_service.errors import AuthRefused, AuthThrottled, AuthUnavailable, AuthUserNotFound, NotPossible
from webhook_service.events import Account, Action, ActionOutcome, Employee, Json, RequestedAction, Status
from webhook_service.loops import PassResult
from webhook_service.outbound.actions import Call, decide
from webhook_service.policy import EmailOwner
from webhook_service.ports import AuthAdmin, Database

log = logging.getLogger(__name__)

MAX_CONCURRENT_ACTIONS = 8
LEASE_SECONDS = 90
"""The lease of an action. It is longer than the time limits of all its calls together."""

FIRST_PAUSE_SECONDS = 2
"""The pause of all relays after Auth could not be reached. It doubles with each failure, up to a minute."""

FAILURES = (
    ActionOutcome.USER_NOT_FOUND,
    ActionOutcome.EMAIL_TAKEN,
    ActionOutcome.AUTH_REFUSED,
    ActionOutcome.AUTH_UNAVAILABLE,
    ActionOutcome.NOT_PERFORMED,
)


@dataclass(frozen=True, slots=True)
class Performed:
    """The result of an action.

    `error` says why the action failed, and is None if it succeeded. `retry` says whether the relay retries it.
    `changes` is the JSON object that the ledger records. `is_outage` means that Auth could not be reached at all.
    `is_settled` means that the ledger has the result already.
    """

    outcome: ActionOutcome
    error: str | None = None
    retry: bool = False
    changes: Mapping[str, Json] = field(default_factory=dict)
    is_outage: bool = False
    is_settled: bool = False

    @property
    def status(self) -> Status:
        return Status.SUCCESS if self.error is None else Status.FAILED


@dataclass(frozen=True, slots=True)
class Accounts:
    """Performs actions on auth users. `rate` is the number of actions per second that all relays perform together."""

    database: Database
    admin: AuthAdmin
    owner: EmailOwner
    rate: int
    now: Callable[[], datetime]

    def run_once(self, relay: str) -> PassResult:
        """Claim the due actions that the rate allows, and perform them.

        `relay` is the relay's name, which its leases carry. Raises Unavailable, DatabaseError.
        """
        due = self.database.call(
            "auth_sync_claim_actions_v1",
            p_relay=relay,
            p_limit=MAX_CONCURRENT_ACTIONS,
            p_lease_seconds=LEASE_SECONDS,
            p_rate=self.rate,
        )
        actions = due["actions"]
        if not actions:
            return PassResult(next_in=due["next_in"])
        with ThreadPoolExecutor(len(actions), thread_name_prefix="action") as pool:
            performed = list(pool.map(lambda action: self._perform_and_settle(action, relay), actions))
        done = [each for each in performed if each is not None]
        if done and all(each.is_outage for each in done):
            self.database.call("auth_sync_pause_v1", p_seconds=FIRST_PAUSE_SECONDS, p_failed=True)
        elif done and due["is_trial"]:
            self.database.call("auth_sync_resume_v1")
        outcomes = Counter(str(each.outcome) for each in done)
        pairs = zip(actions, performed, strict=True)
        by_operation = Counter((one["operation"], str(each.outcome)) for one, each in pairs if each is not None)
        return PassResult(len(actions), len(actions) - len(done), outcomes, due["next_in"], by_operation)

    def perform_now(self, event_id: str, lease: str) -> Performed | None:
        """Perform one action immediately, without waiting for the rate limit.

        Returns None if the action is not open, if a relay is performing it, or if calls to Auth are paused.
        Raises Unavailable, DatabaseError.
        """
        action = self.database.call(
            "auth_sync_claim_action_v1", p_event_id=event_id, p_lease=lease, p_lease_seconds=LEASE_SECONDS
        )
        return self._perform_and_settle(action, lease) if action is not None else None

    def perform_again(self, event: Json, requested_by: str) -> Performed:
        """Replay an action for an admin, and record the replay.

        `event` is the action's row as `ledger.queries.event` returns it. Raises NotPossible (`not_open`), Unavailable,
        DatabaseError.
        """
        event_id = event["event_id"]
        performed = self.perform_now(event_id, f"replay-{uuid4()}")
        if performed is None:
            raise NotPossible("not_open", "The action is done, or is being performed now, or calls to Auth are paused.")
        self.database.call(
            "auth_sync_replayed_v1",
            p_event_id=event_id,
            p_requested_by=requested_by,
            p_status_before=event["status"],
            p_outcome_before=event["outcome"],
        )
        return performed

    def _perform_and_settle(self, action: Json, lease: str) -> Performed | None:
        """Perform and settle an action. Returns None if Auth requests a pause or the lease has ended."""
        fields = {"event_id": action["event_id"], "operation": action["operation"]}
        try:
            performed = self.perform(action, lease)
        except AuthThrottled as error:
            log.warning("auth requests a pause", extra=fields | {"seconds": error.retry_after})
            self.database.call("auth_sync_pause_v1", p_seconds=error.retry_after, p_failed=False)
            self.database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease=lease)
            return None
        if performed.error is not None:
            log.warning("action failed", extra=fields | {"outcome": performed.outcome, "reason": performed.error})
        return performed if performed.is_settled or self.settle(action["event_id"], lease, performed) else None

    def perform(self, action: Json, lease: str) -> Performed:
        """Perform the part of an action that is still needed. Raises AuthThrottled, Unavailable, DatabaseError."""
        try:
            if action["operation"] == Action.CREATE_AUTH_USER:
                return self.resolve(action, lease)
            return self._perform(requested_action(action))
        except AuthThrottled:
            raise
        except AuthUnavailable as error:
            return Performed(ActionOutcome.AUTH_UNAVAILABLE, error.reason, retry=True, is_outage=True)
        except AuthRefused as error:
            if error.reason == "auth_key_refused":  # the action is retried until an admin has corrected the key
                return Performed(ActionOutcome.AUTH_UNAVAILABLE, error.reason, retry=True, is_outage=True)
            return Performed(ActionOutcome.AUTH_REFUSED, " ".join([error.reason, error.code]).strip())

    def _perform(self, requested: RequestedAction) -> Performed:
        call = decide(requested, self.admin.get(requested.auth_user_id), self.owner, self.now())
        failure, changes = None, {}
        if call.banned is False:  # sessions from before the ban would work again
            changes = self._end_sessions(requested)
        if not call.changes_nothing:
            try:
                self.admin.update(requested.auth_user_id, banned=call.banned, email=call.email)
            except AuthThrottled:
                raise
            except (AuthUnavailable, AuthUserNotFound) as error:
                failure = error  # Auth may have made the change nevertheless
        if call.ends_sessions:
            changes = self._end_sessions(requested)
        if call.changes_nothing:
            return performed(call.outcome, changes)
        left = decide(requested, self.admin.get(requested.auth_user_id), self.owner, self.now())
        if left.changes_nothing:
            return performed(call.outcome if left.outcome is ActionOutcome.UNCHANGED else left.outcome, changes)
        if call.email is not None and self._is_held_by_another(call, requested):
            return performed(ActionOutcome.EMAIL_TAKEN, changes)
        if failure is not None:
            return Performed(ActionOutcome.AUTH_UNAVAILABLE, failure.reason, retry=True, changes=changes)
        return Performed(ActionOutcome.NOT_PERFORMED, "auth_did_not_keep_it", retry=True, changes=changes)

    def _end_sessions(self, requested: RequestedAction) -> dict[str, Json]:
        """End the auth user's sessions. The number is None if they are in another database."""
        ended = self.database.call("auth_sync_end_sessions_v1", p_auth_user_id=str(requested.auth_user_id))
        return {"sessions_ended": ended}

    def _is_held_by_another(self, call: Call, requested: RequestedAction) -> bool:
        """Return whether another auth user has the e-mail. Auth answers 500 to the call then (supabase/auth v2.196)."""
        holder = self.database.call("auth_sync_email_holder_v1", p_email=call.email)
        return holder is not None and holder["auth_user_id"] != str(requested.auth_user_id)

    def resolve(self, action: Json, lease: str) -> Performed:
        """Finish or undo an intent whose process has ended.

        The login of an employee who existed before is finished, because the person has its password or invitation. The
        login of a new employee is finished only if Auth sent an invitation, because a password is lost if the request
        gets no response. Raises the errors of `perform`, AuthUnavailable, AuthRefused.
        """
        auth_user_id = UUID(action["auth_user_id"])
        if action["employee"] is not None:
            return Performed(ActionOutcome.CREATED)
        account = self.admin.get(auth_user_id)
        if account is not None and is_worth_finishing(action, account):
            hired = self.database.call("auth_sync_hire_v1", p_event_id=action["event_id"], p_lease=lease)
            if "refused" not in hired:
                return Performed(ActionOutcome.CREATED, is_settled=True)
            if hired["refused"] == "lease_lost":  # another relay has claimed the intent
                return Performed(ActionOutcome.STALE, is_settled=True)
        return self.undo(auth_user_id, "interrupted")

    def undo(self, auth_user_id: UUID, because: str) -> Performed:
        """Delete an auth user that this service created, unless an employee is linked to it.

        `because` is the reason that the ledger records. Raises AuthUnavailable, AuthRefused, Unavailable,
        DatabaseError.
        """
        if self.database.call("auth_sync_forget_v1", p_auth_user_id=str(auth_user_id)) is not None:
            return Performed(ActionOutcome.LINKED)
        self.admin.delete(auth_user_id)
        if self.admin.get(auth_user_id) is not None:
            return Performed(ActionOutcome.NOT_PERFORMED, "auth_did_not_delete_it", retry=True)
        return Performed(ActionOutcome.UNDONE, changes={"because": because})

    def settle(self, event_id: str, lease: str, performed: Performed) -> bool:
        """Record the result of an action. Returns False if the lease has ended. Raises Unavailable, DatabaseError."""
        return bool(
            self.database.call(
                "auth_sync_settle_v1",
                p_event_id=event_id,
                p_lease=lease,
                p_outcome=performed.outcome,
                p_error=performed.error,
                p_retry=performed.retry,
                p_changes=dict(performed.changes),
            )
        )


def performed(outcome: ActionOutcome, changes: Mapping[str, Json]) -> Performed:
    """Return the result with this outcome. The error of a failure is the name of its outcome."""
    return Performed(outcome, str(outcome) if outcome in FAILURES else None, changes=changes)


def is_worth_finishing(action: Json, account: Account) -> bool:
    """Return whether the person has the login's password or invitation."""
    is_informed = "employee_id" in action["request_data"]["employee"] and account.email_confirmed
    return is_informed or account.invited_at is not None


def requested_action(action: Json) -> RequestedAction:
    """Convert an action that `auth_sync_claim_actions_v1` returned."""
    employee = action["employee"]
    return RequestedAction(
        event_id=action["event_id"],
        action=Action(action["operation"]),
        auth_user_id=UUID(action["auth_user_id"]),
        employee=None
        if employee is None
        else Employee(employee["employee_id"], employee["is_active"], employee["email"]),
        was=action["request_data"].get("was"),
        sent=frozenset(email for email in action["sent"] if email),
    )
