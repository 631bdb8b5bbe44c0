"""The words about the acts of admins and directories, which the audit records in the imperative."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from webhook_service.events import Json
from webhook_service.wording.counts import counted
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

FILTERS = {"requests": "With requests of directories that changed nothing"}
"""The fields of the filter of the page."""

SHOW_REQUESTS = "Show requests of directories that changed nothing, too"
COUNTED = "{result} ({count} request)", "{result} ({count} requests)"
"""The result of an entry that stands for one or several requests."""


TARGETS = {"event": "event", "employee": "employee {id}", "replay": "replay {id}", "subscriber": "subscriber {id}"}
"""The objects of acts, by the beginning of the audit's target."""


def filter_in_words(filter: Mapping[str, str], name: str) -> str:
    """Return one field of the filter of the page in words."""
    return FILTERS[name]


def audit_result(entry: Mapping[str, Json], now: datetime) -> str:
    """Return the result of an act or a request. `entry` is an entry of `ledger.audit.search`."""
    result, reason = entry["result"], entry["reason"] or ""
    if result == "pending":
        return IN_PROGRESS if now - datetime.fromisoformat(entry["at"]) < LONGEST_ACT else NOT_KNOWN
    key = result if result in ("done", "refused") else "unknown"
    text = RESULTS[f"{key}.reason" if reason else key].format(reason=LABELS.get(reason, reason))
    count = sum(entry["details"].get("requests", {}).values()) if entry["is_request"] else 0
    return counted(count, *COUNTED, result=text) if count else text
