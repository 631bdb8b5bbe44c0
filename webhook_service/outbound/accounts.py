"""Due actions of the ledger -> the Auth Admin API: what a change of employees asks of Auth is done there.

An action is taken under a lease, performed outside of any transaction, and settled while the lease is still ours. It is
idempotent: the auth user is read before and after, and a call that was lost on the way is found out by reading again.
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

AT_ONCE = 8
LEASE = 90
"""Seconds: more than all calls of an action together may take."""

FIRST_PAUSE = 2
"""Seconds that nobody calls Auth once it could not be reached; it doubles up to a minute."""

FAILURES = (
    ActionOutcome.USER_NOT_FOUND,
    ActionOutcome.EMAIL_TAKEN,
    ActionOutcome.AUTH_REFUSED,
    ActionOutcome.AUTH_UNAVAILABLE,
    ActionOutcome.NOT_PERFORMED,
)


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of an action. `error` says why it failed; `retry` whether it is tried again. `is_outage`: Auth could
    not be reached at all. `is_settled`: the ledger has it already.
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
    """The auth users, as actions reach them. `rate` is how many actions a second all relays together perform."""

    database: Database
    admin: AuthAdmin
    owner: EmailOwner
    rate: int
    now: Callable[[], datetime]

    def run_once(self, relay: str) -> PassResult:
        """Takes what is due, as far as the rate allows, and performs it. Raises Unavailable, DatabaseError."""
        due = self.database.call(
            "auth_sync_claim_actions_v1",
            p_relay=relay,
            p_limit=AT_ONCE,
            p_lease_seconds=LEASE,
            p_rate=self.rate,
        )
        actions = due["actions"]
        if not actions:
            return PassResult(next_in=due["next_in"])
        with ThreadPoolExecutor(len(actions), thread_name_prefix="action") as pool:
            performed = list(pool.map(lambda action: self._settled(action, relay), actions))
        done = [each for each in performed if each is not None]
        if done and all(each.is_outage for each in done):
            self.database.call("auth_sync_pause_v1", p_seconds=FIRST_PAUSE, p_failed=True)
        elif done and due["is_trial"]:
            self.database.call("auth_sync_resume_v1")
        outcomes = Counter(str(each.outcome) for each in done)
        pairs = zip(actions, performed, strict=True)
        by_operation = Counter((one["operation"], str(each.outcome)) for one, each in pairs if each is not None)
        return PassResult(len(actions), len(actions) - len(done), outcomes, due["next_in"], by_operation)

    def perform_now(self, event_id: str, lease: str) -> Performed | None:
        """This one, at once, past the rate. None where it is not open, is being worked on, or Auth asks for a pause."""
        action = self.database.call(
            "auth_sync_claim_action_v1", p_event_id=event_id, p_lease=lease, p_lease_seconds=LEASE
        )
        return self._settled(action, lease) if action is not None else None

    def perform_again(self, event: Json, requested_by: str) -> Performed:
        """An action that a person asks for again, as the ledger tells it. Raises NotPossible."""
        event_id = event["event_id"]
        performed = self.perform_now(event_id, f"replay-{uuid4()}")
        if performed is None:
            raise NotPossible("not_open", "The action is done, or being performed at this moment, or Auth is paused.")
        self.database.call(
            "auth_sync_replayed_v1",
            p_event_id=event_id,
            p_requested_by=requested_by,
            p_status_before=event["status"],
            p_outcome_before=event["outcome"],
        )
        return performed

    def _settled(self, action: Json, lease: str) -> Performed | None:
        """Performs and settles it; None where Auth asks for a pause, or the lease has ended meanwhile."""
        fields = {"event_id": action["event_id"], "operation": action["operation"]}
        try:
            performed = self.perform(action, lease)
        except AuthThrottled as error:
            log.warning("auth asks for a pause", extra=fields | {"seconds": error.retry_after})
            self.database.call("auth_sync_pause_v1", p_seconds=error.retry_after, p_failed=False)
            self.database.call("auth_sync_give_back_v1", p_event_id=action["event_id"], p_lease=lease)
            return None
        if performed.error is not None:
            log.warning("not performed", extra=fields | {"outcome": performed.outcome, "reason": performed.error})
        return performed if performed.is_settled or self.settle(action["event_id"], lease, performed) else None

    def perform(self, action: Json, lease: str) -> Performed:
        """Does what is still to be done about it. Raises AuthThrottled, Unavailable, DatabaseError."""
        try:
            if action["operation"] == Action.CREATE_AUTH_USER:
                return self.resolve(action, lease)
            return self._perform(requested_action(action))
        except AuthThrottled:
            raise
        except AuthUnavailable as error:
            return Performed(ActionOutcome.AUTH_UNAVAILABLE, error.reason, retry=True, is_outage=True)
        except AuthRefused as error:
            if error.reason == "auth_key_refused":  # the service's trouble, not this action's
                return Performed(ActionOutcome.AUTH_UNAVAILABLE, error.reason, retry=True, is_outage=True)
            return Performed(ActionOutcome.AUTH_REFUSED, " ".join([error.reason, error.code]).strip())

    def _perform(self, requested: RequestedAction) -> Performed:
        call = decide(requested, self.admin.get(requested.auth_user_id), self.owner, self.now())
        trouble = None
        if not call.changes_nothing:
            try:
                self.admin.update(requested.auth_user_id, banned=call.banned, email=call.email)
            except AuthThrottled:
                raise
            except (AuthUnavailable, AuthUserNotFound) as error:
                trouble = error  # it may have been done all the same
        changes = {}
        if call.ends_sessions:
            changes["sessions_ended"] = self.database.call(
                "auth_sync_end_sessions_v1", p_auth_user_id=str(requested.auth_user_id)
            )
        if call.changes_nothing:
            return performed(call.outcome, changes)
        left = decide(requested, self.admin.get(requested.auth_user_id), self.owner, self.now())
        if left.changes_nothing:
            return performed(call.outcome if left.outcome is ActionOutcome.UNCHANGED else left.outcome, changes)
        if call.email is not None and self._is_held_by_another(call, requested):
            return performed(ActionOutcome.EMAIL_TAKEN, changes)
        if trouble is not None:
            return Performed(ActionOutcome.AUTH_UNAVAILABLE, trouble.reason, retry=True, changes=changes)
        return Performed(ActionOutcome.NOT_PERFORMED, "auth_did_not_keep_it", retry=True, changes=changes)

    def _is_held_by_another(self, call: Call, requested: RequestedAction) -> bool:
        """Auth says 500 to an e-mail that another auth user has."""
        holder = self.database.call("auth_sync_email_holder_v1", p_email=call.email)
        return holder is not None and holder["auth_user_id"] != str(requested.auth_user_id)

    def resolve(self, action: Json, lease: str) -> Performed:
        """An intent of creating a login whose process is gone: finished where nothing is lost by it, else undone.

        The login of an employee who was there before is finished: its password, or its invitation, has gone out. That
        of a new one only where an invitation has: the password of a request that nobody answered is lost.
        """
        auth_user_id = UUID(action["auth_user_id"])
        if action["employee"] is not None:
            return Performed(ActionOutcome.CREATED)
        account = self.admin.get(auth_user_id)
        if account is not None and is_worth_finishing(action, account):
            hired = self.database.call("auth_sync_hire_v1", p_event_id=action["event_id"], p_lease=lease)
            if "refused" not in hired:
                return Performed(ActionOutcome.CREATED, is_settled=True)
            if hired["refused"] == "lease_lost":  # another relay sees to it
                return Performed(ActionOutcome.STALE, is_settled=True)
        return self.undo(auth_user_id, "interrupted")

    def undo(self, auth_user_id: UUID, because: str) -> Performed:
        """Removes an auth user that we made, unless an employee has got it. Raises AuthUnavailable, AuthRefused."""
        if self.database.call("auth_sync_forget_v1", p_auth_user_id=str(auth_user_id)) is not None:
            return Performed(ActionOutcome.LINKED)
        self.admin.delete(auth_user_id)
        if self.admin.get(auth_user_id) is not None:
            return Performed(ActionOutcome.NOT_PERFORMED, "auth_did_not_delete_it", retry=True)
        return Performed(ActionOutcome.UNDONE, changes={"because": because})

    def settle(self, event_id: str, lease: str, performed: Performed) -> bool:
        """Writes down what became of it; False where the lease was no longer ours."""
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
    return Performed(outcome, str(outcome) if outcome in FAILURES else None, changes=changes)


def is_worth_finishing(action: Json, account: Account) -> bool:
    is_informed = "employee_id" in action["request_data"]["employee"] and account.email_confirmed
    return is_informed or account.invited_at is not None


def requested_action(action: Json) -> RequestedAction:
    """An action as the ledger hands it out."""
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
