"""What the admin API answers: a schema for each answer, from which its document is made (see `web.api.openapi`)."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from webhook_service.events import Action, ActionOutcome, Operation, Outcome, Status

RUN_OUTCOMES = ("reconciled", "incomplete", "interrupted")
"""What became of a run of reconciliation, which is in the ledger too."""
OPERATIONS = (*Operation, *Action, "reconcile")
OUTCOMES = tuple(dict.fromkeys((*Outcome, *ActionOutcome, *RUN_OUTCOMES)))

JANE = "7d9c1a52-5a0e-4c5b-9f3a-2f6d0c1b8e11"
NOON = "2026-11-22T12:00:00.250000+00:00"
"""An auth user and a time, in examples."""


def says(description: str, example: Any = None) -> dict[str, Any]:
    """For people who read the document."""
    return {"description": description} | ({} if example is None else {"examples": [example]})


def text(description: str, example: str | None = None, **options: Any) -> fields.String:
    return fields.String(metadata=says(description, example), **options)


def number(description: str, example: int | None = None, **options: Any) -> fields.Integer:
    return fields.Integer(strict=True, metadata=says(description, example) | {"format": "int64"}, **options)


def moment(description: str, example: str | None = NOON, **options: Any) -> fields.DateTime:
    """Always there; null where `allow_none` says so."""
    return fields.DateTime(format="iso", required=True, metadata=says(description, example), **options)


def one_of(values: tuple[str, ...], description: str, example: str | None = None, **options: Any) -> fields.String:
    return text(description, example, validate=validate.OneOf([str(value) for value in values]), **options)


STATUS = "PENDING: to be done. SUCCESS: done. FAILED: tried again at `next_attempt_at`, or given up."
OUTCOME = "What became of it, or the reason of a failure; null while it is pending."


class Answer(Schema):
    """An answer has what is named and nothing else."""

    class Meta:
        unknown = RAISE


class EventCounts(Answer):
    PENDING = number("Not done yet.", 0, required=True)
    SUCCESS = number("Done.", 41, required=True)
    FAILED = number("Will be tried again, or given up.", 1, required=True)


class ActionCounts(Answer):
    open = number("To be done, or to be tried again.", 2, required=True)
    needs_attention = number("An admin's turn.", 0, required=True)
    oldest_open_at = moment("When the oldest open one was entered.", None, allow_none=True)


class EmployeeCounts(Answer):
    all = number("All there are.", 120, required=True)
    linked = number("Those with a login.", 117, required=True)
    orphaned = number("Those whose auth user is gone.", 1, required=True)
    inactive_and_linked = number("Inactive ones whose login is still theirs, open or not.", 4, required=True)
    is_estimated = fields.Boolean(
        required=True, metadata=says("Whether all and linked were estimated, as in a company of many.", False)
    )


class Summary(Answer):
    events = fields.Nested(EventCounts, required=True, metadata=says("How many rows of the ledger, by status."))
    outcomes = fields.Dict(
        keys=fields.String(),
        values=number("How many."),
        required=True,
        metadata=says("How many rows of the ledger, by outcome.", {"linked": 12, "ambiguous": 1}),
    )
    needs_attention = number("Failures that are not tried again: an admin's turn.", 0, required=True)
    is_estimated = fields.Boolean(
        required=True, metadata=says("Whether what is done was estimated, as in a ledger of many.", False)
    )
    last_event_at = moment("When the newest row was entered.", allow_none=True)
    oldest_pending_at = moment("When the oldest pending event came in.", None, allow_none=True)
    relay_last_run_at = moment("When a relay last looked.", allow_none=True)
    actions = fields.Nested(ActionCounts, required=True, metadata=says("What is to be done in Auth."))
    employees = fields.Nested(EmployeeCounts, required=True, metadata=says("How the employees stand."))


class ListedEvent(Answer):
    id = number("Its number in the ledger; newer ones are higher.", 17, required=True)
    event_id = text("Its name, the same in every attempt (`webhook-id`).", "evt-2", required=True)
    direction = one_of(
        ("inbound", "outbound", "maintenance"),
        "inbound: an event of an auth user. outbound: an action to be done in Auth. maintenance: a run of reconcile.",
        required=True,
    )
    operation = one_of(OPERATIONS, "What happened to the auth user, or the action.", required=True)
    status = one_of(tuple(Status), STATUS, "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, OUTCOME, "linked", required=True, allow_none=True)
    auth_user_id = fields.UUID(required=True, allow_none=True, metadata=says("The auth user it is about.", JANE))
    employee_id = number("The employee it concerned.", 7, required=True, allow_none=True)
    version = number("Orders the events of one auth user; the newest wins.", required=True, allow_none=True)
    error_message = text("Why it failed, in words.", required=True, allow_none=True)
    attempts = number("How often it was tried.", 1, required=True)
    next_attempt_at = moment("When a failure is tried again; null: given up.", None, allow_none=True)
    via = text(
        "How it came: webhook, capture, relay, replay, reconcile, employees, admin, ...", "webhook", required=True
    )
    priority = number("Those with the lower number are done first.", 0, required=True)
    lease = text("Which process works on it.", required=True, allow_none=True)
    leased_until = moment("How long that process may take.", None, allow_none=True)
    created_at = moment("When it came in.")
    completed_at = moment("When it was done.", allow_none=True)


class RecordedReplay(Answer):
    requested_by = text("Who asked.", "api:Ann", required=True)
    requested_at = moment("When.")
    status_before = one_of(tuple(Status), "Its status before.", "FAILED", required=True)
    outcome_before = one_of(OUTCOMES, "Its outcome before.", "ambiguous", required=True, allow_none=True)
    status = one_of(tuple(Status), "Its status afterwards.", "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, "Its outcome afterwards.", "linked", required=True)


def changes(description: str, **options: Any) -> fields.Dict:
    example = {"auth_user_id": {"from": None, "to": JANE}}
    return fields.Dict(
        keys=fields.String(), values=fields.Raw(allow_none=True), metadata=says(description, example), **options
    )


class Attempt(Answer):
    attempt = number("The first is 1.", 1, required=True)
    at = moment("When.")
    outcome = one_of(OUTCOMES, "The reason of the failure.", "ambiguous", required=True)
    error_message = text("Why it failed, in words.", required=True, allow_none=True)
    via = text("How it came to be tried.", "relay", required=True)


class ConcernedEmployee(Answer):
    employee_id = number("Its key.", 7, required=True)
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    first_name = text("The first name.", "Jane", required=True, allow_none=True)
    last_name = text("The last name.", "Doe", required=True, allow_none=True)
    employee_number = text("As the HR system knows it.", "E-17", required=True, allow_none=True)
    is_active = fields.Boolean(required=True, metadata=says("Whether the employee works here.", True))
    auth_user_id = fields.UUID(required=True, allow_none=True, metadata=says("The login now.", JANE))


class ConcernedAuthUser(Answer):
    """Its times are as PostgreSQL has them, also `infinity`."""

    auth_user_id = fields.UUID(required=True, metadata=says("Its key.", JANE))
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    email_confirmed = fields.Boolean(required=True, metadata=says("Whether the e-mail is confirmed.", True))
    banned_until = text("Until when nobody can sign in with it; a time, or infinity.", required=True, allow_none=True)
    deleted_at = text("When it was deleted; a time.", required=True, allow_none=True)


class Event(ListedEvent):
    request_data = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        required=True,
        metadata=says(
            "What came in, or is to be done: redacted, never a password or a token.", {"email": "jane.doe@example.com"}
        ),
    )
    changes = changes('What it changed: {column: {"from", "to"}}; of an action, what else happened.', required=True)
    replays = fields.List(
        fields.Nested(RecordedReplay), required=True, metadata=says("Who asked for it again, the oldest first.")
    )
    attempts_log = fields.List(
        fields.Nested(Attempt), required=True, metadata=says("The attempts that failed, the oldest first.")
    )
    employee = fields.Nested(
        ConcernedEmployee, required=True, allow_none=True, metadata=says("The employee it concerned, as now.")
    )
    auth_user = fields.Nested(
        ConcernedAuthUser, required=True, allow_none=True, metadata=says("The auth user, as last known.")
    )


class Events(Answer):
    events = fields.List(fields.Nested(ListedEvent), required=True, metadata=says("Newest first."))
    next_cursor = text("The `cursor` of the next page; null on the last.", "17", required=True, allow_none=True)


class ReplayedEvent(Answer):
    event_id = text("The event, or the action.", "evt-2", required=True)
    status = one_of(tuple(Status), STATUS, "SUCCESS", required=True)
    outcome = one_of(OUTCOMES, "What became of it, or the reason of a failure.", required=True)
    employee_id = number("The employee it concerned; not told of an action.", 7, allow_none=True)
    changes = changes('What it changed: {column: {"from", "to"}}; of an action, what else happened.', required=True)


class ReplayedEvents(Answer):
    dry_run = fields.Boolean(required=True, metadata=says("Whether it was only tried and taken back.", True))
    matched = number("How many events fit; null in a later part.", 1, required=True, allow_none=True)
    replayed = number("How many of them were taken in this request.", 1, required=True)
    changed = number("How many of those changed an employee, or would.", 1, required=True)
    outcomes = fields.Dict(
        keys=fields.String(), values=number("How many."), required=True, metadata=says("By outcome.", {"linked": 1})
    )
    changes = fields.List(
        fields.Nested(ReplayedEvent), required=True, metadata=says("The first 100 that changed an employee, or would.")
    )
    next_cursor = text("The `cursor` of the next part; null: that was all.", "17", required=True, allow_none=True)


class Problem(Answer):
    """RFC 9457; what is not required comes with some reasons only."""

    type = text("A name of the reason.", "urn:webhook-service:event_not_found", required=True)
    title = text("The status in words.", "Not Found", required=True)
    status = number("The HTTP status.", 404, required=True)
    detail = text("A sentence for people.", "The ledger has no such event.", required=True)
    reason = text("A stable word for machines.", "event_not_found", required=True)
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        data_key="fields",
        metadata=says("invalid_query: what is wrong, by name.", {"limit": ["Not a valid integer."]}),
    )
    side = one_of(("employees", "auth"), "email_taken: where somebody has it.")
    employee_id = number("email_taken: the employee who has it.", 7, allow_none=True)
    auth_user_id = fields.UUID(allow_none=True, metadata=says("email_taken: the auth user who has it."))
    sqlstate = text("employee_rejected: PostgreSQL's code.", "23514", allow_none=True)
    constraint = text("employee_rejected: the constraint.", allow_none=True)
    column = text("employee_rejected: the column.", allow_none=True)


class CreatedEmployee(Answer):
    employee_id = number("The new employee.", 7, required=True)
    auth_user_id = fields.UUID(required=True, metadata=says("The login."))
    event_id = text("The action in the ledger.", required=True)
    outcome = one_of(("created", "linked"), "linked: the auth user was there already.", required=True)
    temporary_password = text(
        "Told here and never again; null with `invite` or `auth_user_id`.", required=True, allow_none=True
    )


class Login(Answer):
    status = one_of(
        ("done", "queued", "failed", "none"),
        "done: read back from Auth. queued: the relay goes on. failed: an admin's turn. none: there is no login.",
        required=True,
    )
    outcome = one_of(tuple(ActionOutcome), "What became of the action.")
    event_id = text("The action in the ledger.")
    reason = text("Why it is not done.", "auth_unreachable")


class ChangedEmployee(Answer):
    employee_id = number("The employee.", 7, required=True)
    is_active = fields.Boolean(required=True, metadata=says("As it is now.", False))
    login = fields.Nested(Login, required=True, metadata=says("What became of the login."))
