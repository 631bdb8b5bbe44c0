"""The routes of the admin API that replay many events."""

from webhook_service.web.api import job_schemas, schemas
from webhook_service.web.api.bulk_replays import BulkReplay, Pages
from webhook_service.web.api.described import JANE
from webhook_service.web.api.events import Replay, Replays
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
    Operation(
        method="get",
        path="/admin/api/bulk-replays",
        name="listBulkReplays",
        title="Bulk replays, newest first",
        text="Pass `next_cursor` as `cursor` to get the next page.",
        answer=job_schemas.BulkReplays,
        query=Pages,
        reasons=("invalid_query",),
    ),
    Operation(
        method="post",
        path="/admin/api/bulk-replays",
        name="beginBulkReplay",
        title="Replay all matching events in the background",
        text="Unlike `POST /admin/api/replays`, which replays up to 1000 events while the caller waits, relays replay "
        "the events at a rate that does not delay new events, and also retry failed actions that match. The default is "
        "a dry run, which previews the first 200 events.",
        answer=job_schemas.BegunBulkReplay,
        body=BulkReplay,
        needs_body=True,
        request_example={"filter": {"status": "FAILED"}, "dry_run": False, "requested_by": "Ann"},
    ),
    Operation(
        method="get",
        path="/admin/api/bulk-replays/{id}",
        name="getBulkReplay",
        title="One bulk replay with its progress",
        text="`replayed` of `matched` rows are replayed. It has ended when `ended_at` is not null.",
        answer=job_schemas.BulkReplayJob,
        reasons=("bulk_replay_not_found", "not_found"),
    ),
    Operation(
        method="post",
        path="/admin/api/bulk-replays/{id}/cancel",
        name="cancelBulkReplay",
        title="Cancel a bulk replay",
        text="Events that were already replayed stay replayed. A bulk replay that has ended stays as it is.",
        answer=job_schemas.BulkReplayJob,
        body=Replay,
        request_example={"requested_by": "Ann"},
        reasons=("bulk_replay_not_found", "not_found"),
    ),
)
