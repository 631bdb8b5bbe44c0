"""What can be asked of the admin API: each route with what it takes, what it answers, and why it refuses."""

from dataclasses import dataclass, field

from marshmallow import Schema

from webhook_service.events import Json
from webhook_service.web.api import schemas
from webhook_service.web.api.employees import Change, NewEmployee
from webhook_service.web.api.events import Page, Replay, Replays
from webhook_service.web.api.reasons import ALWAYS, OF_AUTH, OF_BODY
from webhook_service.web.api.schemas import JANE


@dataclass(frozen=True, slots=True)
class Operation:
    """A route. `reasons` are those of its own, besides what any request may meet (see `web.api.reasons`)."""

    method: str
    path: str
    name: str
    title: str
    text: str
    answer: type[Schema]
    status: int = 200
    query: type[Schema] | None = None
    body: type[Schema] | None = None
    needs_body: bool = False
    asked: Json = field(default_factory=dict)
    answered: Json = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return "Employees" if "/employees" in self.path else "Ledger"

    @property
    def all_reasons(self) -> tuple[str, ...]:
        return (*self.reasons, *(OF_BODY if self.body else ()), *ALWAYS)


OPERATIONS = (
    Operation(
        method="get",
        path="/admin/api/summary",
        name="getSummary",
        title="The state of things in one look",
        text="How many events there are by status and outcome, how the relay does, and how the employees stand.",
        answer=schemas.Summary,
    ),
    Operation(
        method="get",
        path="/admin/api/events",
        name="listEvents",
        title="Events, newest first",
        text="All filters that are given must hold. A page leads to the next one by its `next_cursor`.",
        answer=schemas.Events,
        query=Page,
        reasons=("invalid_query",),
    ),
    Operation(
        method="get",
        path="/admin/api/events/{event_id}",
        name="getEvent",
        title="One event",
        text="With what came in, what it changed on the employee, and who asked for it again.",
        answer=schemas.Event,
        reasons=("event_not_found", "not_found"),
    ),
    Operation(
        method="post",
        path="/admin/api/events/{event_id}/replay",
        name="replayEvent",
        title="Process an event again",
        text="Whatever its status: replaying is safe. An action is performed at once, while it is open or given up.",
        answer=schemas.ReplayedEvent,
        body=Replay,
        asked={"requested_by": "Ann"},
        answered={
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
        path="/admin/api/replays",
        name="replayEvents",
        title="Process all events again that fit a filter",
        text="Oldest first, up to 1000 in one request; `next_cursor` leads to the next ones. A dry run, which is the "
        "default, does the same, takes it back, and tells what would be done.",
        answer=schemas.ReplayedEvents,
        body=Replays,
        asked={"filter": {"status": "FAILED", "outcome": "ambiguous"}, "dry_run": True, "requested_by": "Ann"},
        answered={
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
        title="Create an employee with a login, or neither",
        text="What is not named here is taken as a further column of `employees`. With `auth_user_id`, an auth user "
        "that is there already is taken instead of a new one. The answer holds the password: keep it out of logs.",
        answer=schemas.CreatedEmployee,
        status=201,
        body=NewEmployee,
        needs_body=True,
        asked={"email": "jane.doe@example.com", "first_name": "Jane", "last_name": "Doe", "employee_number": "E-17"},
        answered={
            "employee_id": 7,
            "auth_user_id": JANE,
            "event_id": f"{JANE}:create_auth_user",
            "outcome": "created",
            "temporary_password": "an-example-of-a-password",
        },
        reasons=("email_taken", "employee_rejected", "login_not_found", *OF_AUTH),
    ),
    Operation(
        method="patch",
        path="/admin/api/employees/{employee_id}",
        name="changeEmployee",
        title="Switch an employee and the login off or on",
        text="At once where Auth answers; else it is queued, and the relay goes on.",
        answer=schemas.ChangedEmployee,
        body=Change,
        needs_body=True,
        asked={"is_active": False},
        answered={
            "employee_id": 7,
            "is_active": False,
            "login": {"status": "done", "outcome": "disabled", "event_id": f"{JANE}:disable_auth_user"},
        },
        reasons=("employee_not_found", "not_found", "employee_rejected"),
    ),
)

PATHS = {
    "event_id": ("The name of an event or of an action.", {"type": "string"}, "evt-2"),
    "employee_id": ("The employee.", {"type": "integer", "format": "int64", "minimum": 0}, 7),
}
"""Parameters in paths: what they are, their schema, an example."""

FIELDS = {
    "status": ("Where it stands.", "FAILED"),
    "outcome": ("What became of it, or the reason of a failure.", "ambiguous"),
    "operation": ("What happened to the auth user, or the action.", "UPDATE"),
    "direction": ("inbound: events of auth users. outbound: actions to be done in Auth.", "inbound"),
    "needs_attention": ("Those that are not tried again, or the others.", True),
    "person": ("The beginning of an e-mail, a name or an employee number, or an id.", "jane"),
    "auth_user_id": ("An auth user.", JANE),
    "employee_id": ("An employee.", 7),
    "since": ("Those that came in at this time or later: ISO 8601 with a time zone.", "2026-11-22T00:00:00Z"),
    "until": ("Those that came in before this time: ISO 8601 with a time zone.", "2026-11-23T00:00:00Z"),
    "cursor": ("The `next_cursor` of the part before.", "17"),
    "limit": ("At most so many.", 50),
    "filter": ("Which events; without one: all.", {"status": "FAILED"}),
    "dry_run": ("Whether it is only tried and taken back.", True),
    "requested_by": ("A name that is recorded: letters, digits, space and `_.@+-`.", "Ann"),
    "email": ("The e-mail, stored in lower case; nobody else may have it.", "jane.doe@example.com"),
    "first_name": ("The first name.", "Jane"),
    "last_name": ("The last name.", "Doe"),
    "employee_number": ("The number that the HR system knows the employee by.", "E-17"),
    "user_type_id": ("The kind of user, as `employees` has it.", 3),
    "is_active": ("Whether the employee works here, and may sign in.", False),
    "invite": ("Auth mails an invitation, and there is no password.", False),
}
"""What is asked, wherever it is asked: what it means, an example."""

FIELDS_OF = {
    "NewEmployee": {
        "auth_user_id": ("Take this auth user instead of a new one.", JANE),
        "is_active": ("A login is for active employees.", True),
    }
}
