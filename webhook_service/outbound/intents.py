"""Settles the intents of other runs after their leases have ended, as the relay does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from webhook_service.errors import Unavailable
from webhook_service.events import Action, ActionOutcome, Json, Status
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.pace import Pace

MAX_OPEN = 200
"""The largest number of open intents that one query reads. Each killed run leaves at most one."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The status of an intent. `error` says why the intent cannot be settled."""

    is_open: bool
    outcome: str | None = None
    error: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.outcome in (ActionOutcome.CREATED, ActionOutcome.LINKED)


NONE = Intent(is_open=False)
OPEN = Intent(is_open=True)


@dataclass(frozen=True, slots=True)
class Intents:
    """The intents with one `via`. The methods raise the errors of `Pace.call`."""

    accounts: Accounts
    pace: Pace
    via: str

    def settle_due(self) -> None:
        """Settle the due intents of this `via`."""
        for status in (Status.PENDING, Status.FAILED):
            for entry in self._entries({"operation": Action.CREATE_AUTH_USER, "status": status}, MAX_OPEN):
                if entry["via"] == self.via and self._is_due(entry):
                    self._settle(entry)

    def newest_of(self, employee_id: int, *, is_late: bool) -> Intent:
        """Settle the employee's newest intent if it is due, and return it.

        `is_late` says that the lease must have ended by now, even if this machine's clock is slow.
        """
        entries = self._entries({"operation": Action.CREATE_AUTH_USER, "employee_id": str(employee_id)}, 1)
        if not entries:
            return NONE
        if entries[0]["status"] == Status.SUCCESS:
            return Intent(is_open=False, outcome=entries[0]["outcome"])
        return self._settle(entries[0]) if self._is_due(entries[0], is_late=is_late) else OPEN

    def _entries(self, filter: dict[str, Json], limit: int) -> list[dict[str, Json]]:
        page = self.pace.call("auth_sync_events_v1", p_filter=filter, p_below=None, p_limit=limit)
        entries: list[dict[str, Json]] = page["events"]
        return entries

    def _is_due(self, entry: dict[str, Json], *, is_late: bool = False) -> bool:
        """Return whether the intent is due by this machine's clock.

        The database's clock decides in the end: `auth_sync_claim_action_v1` claims no intent that is under a lease.
        """
        moments = [entry["next_attempt_at"], None if is_late else entry["leased_until"]]
        return all(datetime.fromisoformat(moment) <= self.accounts.now() for moment in moments if moment)

    def _settle(self, entry: dict[str, Json]) -> Intent:
        self.pace.take_token()
        try:
            performed = self.accounts.perform_now(entry["event_id"], f"{self.via}-{uuid4()}")
        except Unavailable:
            return OPEN
        if performed is None or performed.retry or performed.outcome is ActionOutcome.STALE:
            return OPEN
        return Intent(is_open=False, outcome=performed.outcome, error=performed.error)
