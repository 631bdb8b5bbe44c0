"""The schemas of the admin API's responses about the ledger, and of its errors.

`web.api.openapi` generates the API's document from them and from `web.api.employee_schemas`.
"""

from typing import Any

from marshmallow import RAISE, Schema, fields

from webhook_service.events import Action, ActionOutcome, Operation, Outcome, Status
from webhook_service.web.api.described import JANE, described, moment, number, one_of, text

RUN_OUTCOMES = ("reconciled", "incomplete", "interrupted")
"""The outcomes of a run of reconciliation. Each run has a row in the ledger."""
OPERATIONS = (*Operation, *Action, "reconcile")
OUTCOMES = tuple(dict.fromkeys((*Outcome, *ActionOutcome, *RUN_OUTCOMES)))

STATUS = "PENDING: not processed yet. SUCCESS: processed. FAILED: retried at `next_attempt_at`, or needs attention."
OUTCOME = "The outcome, or the reason of a failure. It is null if the row is pending."
CHANGES = 'The changes of the employee, {column: {"from", "to"}}, or the effects of an action.'


class Answer(Schema):
    """The base class of all responses. A field that the schema does not list is an error."""

    class Meta:
        unknown = RAISE


class EventCounts(Answer):
    PENDING = number("Rows that are not processed yet.", 0, required=True)
    SUCCESS = number("Rows that succeeded.", 41, required=True)
    FAILED = number("Rows that are retried or need attention.", 1, required=True)


class ActionCounts(Answer):
    open = number("Actions that are pending or retried.", 2, required=True)
    needs_attention = number("Failed actions that are no longer retried; an admin must decide.", 0, required=True)
    oldest_open_at = moment("When the oldest open action was recorded.", None, allow_none=True)


class EmployeeCounts(Answer):
    all = number("All employees.", 120, required=True)
    linked = number("Employees with a login.", 117, required=True)
    orphaned = number("Employees whose auth user was deleted.", 1, required=True)
    inactive_and_linked = number("Inactive employees with a login, disabled or not.", 4, required=True)
    is_estimated = fields.Boolean(
        required=True, metadata=described("Whether `all` and `linked` are estimates, as in a large company.", False)
    )


class Summary(Answer):
    events = fields.Nested(EventCounts, required=True, metadata=described("The number of ledger rows by status."))
    outcomes = fields.Dict(
        keys=fields.String(),
        values=number("The number of rows."),
        required=True,
        metadata=described("The number of ledger rows by outcome.", {"linked": 12, "ambiguous": 1}),
    )
    needs_attention = number("Failures that are no longer retried; an admin must decide.", 0, required=True)
    dismissed = number("Failures that an admin has dismissed.", 0, required=True)
    is_estimated = fields.Boolean(
        required=True, metadata=described("Whether the counts of SUCCESS are estimates, as in a large ledger.", False)
    )
    last_event_at = moment("When the newest row was recorded.", allow_none=True)
    oldest_pending_at = moment("When the oldest pending event was recorded.", None, allow_none=True)
    relay_last_run_at = moment("When a relay last polled.", allow_none=True)
    actions = fields.Nested(ActionCounts, required=True, metadata=described("Actions that Auth must make."))
    employees = fields.Nested(EmployeeCounts, required=True, metadata=described("Counts of employees."))


class ListedEvent(Answer):
    id = number("The number of the row; newer rows have higher numbers.", 17, required=True)
    event_id = text("The id of the event (`webhook-id`), the same in every attempt.", "evt-2", required=True)
    direction = one_of(
        ("inbound", "outbound", "maintenance"),
        "inbound: an event of an auth user. outbound: an action to make in Auth. maintenance: a run of reconcile.",
        required=True,
    )
    operation = one_of(OPERATIONS, "The change of the auth user, or the action.", required=True)
    status = one_of(tuple(Status), STATUS, "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, OUTCOME, "linked", required=True, allow_none=True)
    auth_user_id = fields.UUID(required=True, allow_none=True, metadata=described("The auth user of the event.", JANE))
    employee_id = number("The employee that the event concerned.", 7, required=True, allow_none=True)
    version = number("Orders the events of one auth user; the newest wins.", required=True, allow_none=True)
    error_message = text("The reason of a failure as a sentence.", required=True, allow_none=True)
    attempts = number("The number of attempts.", 1, required=True)
    next_attempt_at = moment("When a failure is retried; null if it needs attention.", None, allow_none=True)
    dismissed_at = moment("When an admin decided that a failure needs no attention.", None, allow_none=True)
    via = text(
        "The origin: webhook, capture, relay, replay, reconcile, employees, admin, ...", "webhook", required=True
    )
    priority = number("Rows with lower numbers are processed first.", 0, required=True)
    lease = text("The process that has claimed the row.", required=True, allow_none=True)
    leased_until = moment("When the lease of that process ends.", None, allow_none=True)
    created_at = moment("When the row was recorded.")
    completed_at = moment("When the row was completed.", allow_none=True)


class RecordedReplay(Answer):
    requested_by = text("The admin who requested the replay.", "api:Ann", required=True)
    requested_at = moment("The time of the replay.")
    status_before = one_of(tuple(Status), "The status before the replay.", "FAILED", required=True)
    outcome_before = one_of(OUTCOMES, "The outcome before the replay.", "ambiguous", required=True, allow_none=True)
    status = one_of(tuple(Status), "The status after the replay.", "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, "The outcome after the replay.", "linked", required=True)


def changes(description: str, **options: Any) -> fields.Dict:
    """Return a field with {column: {"from", "to"}}."""
    example = {"auth_user_id": {"from": None, "to": JANE}}
    return fields.Dict(
        keys=fields.String(), values=fields.Raw(allow_none=True), metadata=described(description, example), **options
    )


class Attempt(Answer):
    attempt = number("The number of the attempt; the first is 1.", 1, required=True)
    at = moment("The time of the attempt.")
    outcome = one_of(OUTCOMES, "The reason of the failure.", "ambiguous", required=True)
    error_message = text("The reason of the failure as a sentence.", required=True, allow_none=True)
    via = text("The origin of the attempt.", "relay", required=True)


class ConcernedEmployee(Answer):
    employee_id = number("The employee's key.", 7, required=True)
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    first_name = text("The first name.", "Jane", required=True, allow_none=True)
    last_name = text("The last name.", "Doe", required=True, allow_none=True)
    employee_number = text("The employee's number in the HR system.", "E-17", required=True, allow_none=True)
    is_active = fields.Boolean(required=True, metadata=described("Whether the employee works here.", True))
    auth_user_id = fields.UUID(required=True, allow_none=True, metadata=described("The current login.", JANE))


class ConcernedAuthUser(Answer):
    """An auth user that an event concerns. Times are PostgreSQL's texts, including `infinity`."""

    auth_user_id = fields.UUID(required=True, metadata=described("The auth user's key.", JANE))
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    email_confirmed = fields.Boolean(required=True, metadata=described("Whether the e-mail is confirmed.", True))
    banned_until = text("When the ban ends: a time, or infinity.", required=True, allow_none=True)
    deleted_at = text("When the auth user was deleted.", required=True, allow_none=True)


class Event(ListedEvent):
    request_data = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        required=True,
        metadata=described(
            "The data of the event or action, redacted: never a password or a token.", {"email": "jane.doe@example.com"}
        ),
    )
    changes = changes(CHANGES, required=True)
    replays = fields.List(fields.Nested(RecordedReplay), required=True, metadata=described("Replays, oldest first."))
    attempts_log = fields.List(
        fields.Nested(Attempt), required=True, metadata=described("Failed attempts, oldest first.")
    )
    employee = fields.Nested(
        ConcernedEmployee, required=True, allow_none=True, metadata=described("The employee's current row.")
    )
    auth_user = fields.Nested(
        ConcernedAuthUser, required=True, allow_none=True, metadata=described("The auth user's last known state.")
    )


class Events(Answer):
    events = fields.List(fields.Nested(ListedEvent), required=True, metadata=described("Events, newest first."))
    next_cursor = text("The `cursor` of the next page; null on the last page.", "17", required=True, allow_none=True)


class ReplayedEvent(Answer):
    event_id = text("The event or the action.", "evt-2", required=True)
    status = one_of(tuple(Status), STATUS, "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, "The outcome, or the reason of a failure.", required=True)
    employee_id = number("The employee that the event concerned; absent for an action.", 7, allow_none=True)
    changes = changes(CHANGES, required=True)


class DroppedChange(Answer):
    event_id = text("The action that waited.", f"{JANE}:update_auth_email", required=True)


class DismissedEvent(Answer):
    event_id = text("The event or the action.", "evt-2", required=True)
    dismissed_at = moment("When it was dismissed.")


class ReplayedEvents(Answer):
    dry_run = fields.Boolean(required=True, metadata=described("Whether all changes were rolled back.", True))
    matched = number("The number of matching events; null on later pages.", 1, required=True, allow_none=True)
    replayed = number("The number of events that this request replayed.", 1, required=True)
    changed = number("The number of those events that changed an employee, or would.", 1, required=True)
    outcomes = fields.Dict(
        keys=fields.String(),
        values=number("The number of events."),
        required=True,
        metadata=described("The number of replayed events by outcome.", {"linked": 1}),
    )
    changes = fields.List(
        fields.Nested(ReplayedEvent),
        required=True,
        metadata=described("The first 100 events that changed an employee, or would."),
    )
    next_cursor = text("The `cursor` of the next page; null on the last page.", "17", required=True, allow_none=True)


class Problem(Answer):
    """A problem document of RFC 9457. The optional fields belong to some reasons only."""

    type = text("A URN of the reason.", "urn:webhook-service:event_not_found", required=True)
    title = text("The status in words.", "Not Found", required=True)
    status = number("The HTTP status.", 404, required=True)
    detail = text("A sentence for people.", "The ledger has no such event.", required=True)
    reason = text("A stable slug for machines.", "event_not_found", required=True)
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        data_key="fields",
        metadata=described("invalid_query: the errors of each field.", {"limit": ["Not a valid integer."]}),
    )
    side = one_of(("employees", "auth"), "email_taken: where the e-mail is in use.")
    employee_id = number("email_taken: the employee who has the e-mail.", 7, allow_none=True)
    auth_user_id = fields.UUID(allow_none=True, metadata=described("email_taken: the auth user who has the e-mail."))
    sqlstate = text("employee_rejected: the SQLSTATE.", "23514", allow_none=True)
    constraint = text("employee_rejected: the constraint.", allow_none=True)
    column = text("employee_rejected: the column.", allow_none=True)
