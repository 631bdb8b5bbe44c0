"""The outcomes of events and actions, the statuses of employees and the reasons of the admin API."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus

from docs.generate.markdown import code, table
from webhook_service.events import ActionOutcome, Outcome
from webhook_service.web.api.reasons import REASONS, status_of
from webhook_service.wording.employees import SYNC_STATUSES
from webhook_service.wording.outcomes import ACTIONS, EVENTS, Meaning


def of(outcomes: Iterable[StrEnum], meanings: Mapping[str, Meaning]) -> str:
    rows = [(code(each), meanings[each].says, meanings[each].todo) for each in outcomes]
    return table(("outcome", "meaning", "what to do"), rows)


def statuses() -> str:
    rows = [(code(status), label, says) for status, (label, says) in SYNC_STATUSES.items()]
    return table(("`sync_status`", "on the pages", "meaning"), rows)


def reasons() -> str:
    rows = [(code(reason), str(HTTPStatus(status_of(reason)).value), says) for reason, (_, says) in REASONS.items()]
    return table(("reason", "status", "meaning"), sorted(rows))


def tables() -> str:
    failed = {each for each in Outcome if EVENTS[each].kind == "failed"}
    failed_actions = {each for each in ActionOutcome if ACTIONS[each].kind == "failed"}
    parts = {
        "Events that succeeded": of((each for each in Outcome if each not in failed), EVENTS),
        "Events that failed": of((each for each in Outcome if each in failed), EVENTS),
        "Actions that succeeded": of((each for each in ActionOutcome if each not in failed_actions), ACTIONS),
        "Actions that failed": of((each for each in ActionOutcome if each in failed_actions), ACTIONS),
        "Statuses of employees": statuses(),
        "Reasons of the admin API": reasons(),
    }
    return "\n\n".join(f"## {title}\n\n{part}" for title, part in parts.items())
