"""The routes of the admin API about the ledger: its summary, and single events."""

from webhook_service.web.api import schemas
from webhook_service.web.api.described import JANE, NOON
from webhook_service.web.api.events import Dismissal, Page, Replay
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/summary",
        name="getSummary",
        title="Summary of the ledger and the employees",
        text="Counts of events by status and outcome, the relay's last pass, open actions, and counts of employees.",
        answer=schemas.Summary,
    ),
    Operation(
        method="get",
        path="/admin/api/events",
        name="listEvents",
        title="Events, newest first",
        text="Events must match all given filters. Pass `next_cursor` as `cursor` to get the next page.",
        answer=schemas.Events,
        query=Page,
        reasons=("invalid_query",),
    ),
    Operation(
        method="get",
        path="/admin/api/events/{event_id}",
        name="getEvent",
        title="One event",
        text="The event with its data, the changes that it made to the employee, its failed attempts and its replays.",
        answer=schemas.Event,
        reasons=("event_not_found", "not_found"),
    ),
    Operation(
        method="post",
        path="/admin/api/events/{event_id}/replay",
        name="replayEvent",
        title="Process an event again",
        text="An event can be replayed in any status. Replaying it twice is safe. An action is performed immediately "
        "if it is open or needs attention.",
        answer=schemas.ReplayedEvent,
        body=Replay,
        request_example={"requested_by": "Ann"},
        response_example={
            "event_id": "evt-2",
            "status": "SUCCESS",
            "outcome": "linked",
            "employee_id": 7,
            "changes": {"auth_user_id": {"from": None, "to": JANE}},
        },
        reasons=("event_not_found", "not_found", "not_open", "no_auth_admin"),
    ),
    Operation(
        method="post",
        path="/admin/api/events/{event_id}/drop",
        name="dropClientChange",
        title="Drop the change of a client",
        text="For an action with the outcome `changed_by_client`, which waits for an admin: gives the employee the "
        "e-mail of the login again, or removes the link that the client wrote. A replay approves the change instead.",
        answer=schemas.DroppedChange,
        body=Replay,
        request_example={"requested_by": "Ann"},
        response_example={"event_id": f"{JANE}:update_auth_email"},
        reasons=("event_not_found", "not_found", "not_open"),
    ),
    Operation(
        method="post",
        path="/admin/api/events/{event_id}/dismiss",
        name="dismissEvent",
        title="Record that a failed event needs no attention",
        text="The event stays in the ledger with its outcome, but no longer counts as needing attention, and notices "
        "do not report it. It can still be replayed. The audit records the `reason`.",
        answer=schemas.DismissedEvent,
        body=Dismissal,
        needs_body=True,
        request_example={"reason": "The intern has left.", "requested_by": "Ann"},
        response_example={"event_id": "evt-2", "dismissed_at": NOON},
        reasons=("event_not_found", "not_found", "needs_no_attention"),
    ),
)
