"""The routes of the admin API that replay many events."""

from webhook_service.web.api import schemas
from webhook_service.web.api.described import JANE
from webhook_service.web.api.events import Replays
from webhook_service.web.api.operation import Operation

OPERATIONS = (
    Operation(
        method="post",
        path="/admin/api/replays",
        name="replayEvents",
        title="Process all events again that match a filter",
        text="The oldest events are replayed first, up to 1000 in one request. Pass `next_cursor` as `cursor` to "
        "replay the next events. The default is a dry run, which rolls its changes back and returns them.",
        answer=schemas.ReplayedEvents,
        body=Replays,
        request_example={
            "filter": {"status": "FAILED", "outcome": "ambiguous"},
            "dry_run": True,
            "requested_by": "Ann",
        },
        response_example={
            "dry_run": True,
            "matched": 1,
            "replayed": 1,
            "changed": 1,
            "outcomes": {"linked": 1},
            "changes": [
                {
                    "event_id": "evt-2",
                    "status": "SUCCESS",
                    "outcome": "linked",
                    "employee_id": 7,
                    "changes": {"auth_user_id": {"from": None, "to": JANE}},
                }
            ],
            "next_cursor": None,
        },
    ),
)
