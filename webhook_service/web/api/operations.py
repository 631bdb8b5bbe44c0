"""The routes of the admin API, with their requests, responses and errors, for its OpenAPI document."""

from webhook_service.web.api import employee_schemas, schemas
from webhook_service.web.api.described import JANE, NOON
from webhook_service.web.api.employees import Change, NewEmployee, Unlink
from webhook_service.web.api.events import Dismissal, Page, Replay, Replays
from webhook_service.web.api.held import Decision, OfReason
from webhook_service.web.api.imports import IMPORT_OPERATIONS
from webhook_service.web.api.operation import Operation
from webhook_service.web.api.reasons import AUTH_REASONS

OPERATIONS = (
    *IMPORT_OPERATIONS,
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
        path="/admin/api/held",
        name="listHeldBans",
        title="Bans that are held",
        text="The bans of logins wait for an admin if an unusual share of the employees is deactivated at once "
        "(`MASS_DEACTIVATION_LIMIT`), or if another active employee may own the login.",
        answer=employee_schemas.Held,
        query=OfReason,
        reasons=("invalid_query",),
    ),
    Operation(
        method="post",
        path="/admin/api/held/release",
        name="releaseHeldBans",
        title="Ban the logins",
        text="Requests the bans that are held for the `reason`, up to `newest_id`, which `GET /admin/api/held` "
        "returned. Relays perform them.",
        answer=employee_schemas.HeldDecision,
        body=Decision,
        needs_body=True,
        request_example={"newest_id": 30, "reason": "mass_deactivation", "requested_by": "Ann"},
        response_example={"count": 30},
    ),
    Operation(
        method="post",
        path="/admin/api/held/discard",
        name="discardHeldBans",
        title="Drop the held bans",
        text="Drops the bans that are held for the `reason`, up to `newest_id`. The logins stay as they are. Correct "
        "the employees first: the next event or reconcile of an employee who is still inactive requests the ban again.",
        answer=employee_schemas.HeldDecision,
        body=Decision,
        needs_body=True,
        request_example={"newest_id": 30, "reason": "mass_deactivation", "requested_by": "Ann"},
        response_example={"count": 30},
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
        method="post",
        path="/admin/api/employees",
        name="createEmployee",
        title="Create an employee with a login",
        text="Fields that are not listed here are other columns of `employees`. With `auth_user_id`, the employee is "
        "linked to that existing auth user instead of a new one. If one of the two cannot be created, neither is "
        "created. Do not log the response, because it contains the password.",
        answer=employee_schemas.CreatedEmployee,
        status=201,
        body=NewEmployee,
        needs_body=True,
        request_example={
            "email": "jane.doe@example.com",
            "first_name": "Jane",
            "last_name": "Doe",
            "employee_number": "E-17",
        },
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "event_id": f"{JANE}:create_auth_user",
            "outcome": "created",
            "temporary_password": "an-example-of-a-password",
            "password_was_shown": False,
        },
        reasons=("email_taken", "employee_rejected", "login_not_found", *AUTH_REASONS),
    ),
    Operation(
        method="patch",
        path="/admin/api/employees/{employee_id}",
        name="changeEmployee",
        title="Edit, deactivate or activate an employee",
        text="Only the fields of the request change; null removes a value. All of them change, or none. The login gets "
        "a new e-mail too, as after a change by HR. With `is_active`, the login changes immediately if Auth responds. "
        "Otherwise the relay performs the queued action later.",
        answer=employee_schemas.ChangedEmployee,
        body=Change,
        needs_body=True,
        request_example={"email": "jane.roe@example.com", "last_name": "Roe", "is_active": False},
        response_example={
            "employee_id": 7,
            "changed": ["email", "last_name"],
            "is_active": False,
            "login": {"status": "done", "outcome": "disabled", "event_id": f"{JANE}:disable_auth_user"},
        },
        reasons=("employee_not_found", "not_found", "employee_rejected", "email_taken"),
    ),
    Operation(
        method="post",
        path="/admin/api/employees/{employee_id}/unlink",
        name="unlinkEmployee",
        title="Take the login away from an employee",
        text="The employee gets the e-mail and the names from before the link. The request is refused if only this "
        "employee matches the login, because the next event would link it again.",
        answer=employee_schemas.UnlinkedEmployee,
        body=Unlink,
        needs_body=True,
        request_example={"auth_user_id": JANE, "requested_by": "Ann"},
        response_example={
            "employee_id": 7,
            "auth_user_id": JANE,
            "restored": {"email": "office@example.com"},
        },
        reasons=("employee_not_found", "not_found", "employee_rejected", "login_changed", "linked_again"),
    ),
)
