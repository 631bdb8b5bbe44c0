"""The words about the acts of admins, which the audit records in the imperative."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from webhook_service.events import Json
from webhook_service.wording.outcomes import LABELS

LONGEST_ACT = timedelta(minutes=5)
"""An act without a result is in progress for this time. After that, its process has probably ended."""

RESULTS = {
    "done": "Done",
    "done.reason": "Done: {reason}",
    "refused": "Refused",
    "refused.reason": "Refused: {reason}",
    "unknown": "Not known",
    "unknown.reason": "Not known: {reason}",
}
IN_PROGRESS = "In progress"
NOT_KNOWN = RESULTS["unknown"]

TARGETS = {"event": "event", "employee": "employee {id}", "replay": "replay {id}", "subscriber": "subscriber {id}"}
"""The objects of acts, by the beginning of the audit's target."""


def audit_result(entry: Mapping[str, Json], now: datetime) -> str:
    """Return the result of an admin's act. `entry` is an entry of `auth_sync_audit_page_v1`."""
    result, reason = entry["result"], entry["reason"] or ""
    if result == "pending":
        return IN_PROGRESS if now - datetime.fromisoformat(entry["at"]) < LONGEST_ACT else NOT_KNOWN
    key = result if result in ("done", "refused") else "unknown"
    return RESULTS[f"{key}.reason" if reason else key].format(reason=LABELS.get(reason, reason))
