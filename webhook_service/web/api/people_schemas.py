"""The schemas of the admin API's responses about lists of employees and about problems."""

from marshmallow import fields

from webhook_service.events import Action, ActionOutcome, Status
from webhook_service.ledger.employees import SyncStatus
from webhook_service.web.api.described import JANE, described, moment, number, one_of, text
from webhook_service.web.api.schemas import Answer, ConcernedEmployee, ListedEvent

SYNC_STATUS = "The first of these that applies: a security problem first, then a problem of the login."


class StandingOfEmployee(Answer):
    title = text("The standing in a few words.", "In sync", required=True)
    says = text(
        "The standing as a sentence, as the dashboard says it.", "The employee and the login agree.", required=True
    )
    can_ban = fields.Boolean(
        required=True, metadata=described("Whether the ban of the login can be requested again.", False)
    )


class ListedEmployee(ConcernedEmployee):
    auth_email = text("The last known e-mail of the login.", "jane.doe@example.com", required=True, allow_none=True)
    banned_until = text("When the ban of the login ends: a time, or infinity.", required=True, allow_none=True)
    orphaned_at = moment("When the login was deleted.", None, allow_none=True)
    sync_status = one_of(tuple(SyncStatus), SYNC_STATUS, "OK", required=True)
    login_holder = number("The inactive employee who holds the login of this person.", required=True, allow_none=True)
    ban_held_at = moment("When the ban of the login was held. It waits for an admin.", None, allow_none=True)


class Employees(Answer):
    employees = fields.List(
        fields.Nested(ListedEmployee), required=True, metadata=described("Employees, by `employee_id`.")
    )
    next_cursor = text("The `cursor` of the next page; null on the last page.", "7", required=True, allow_none=True)


class LoginCandidate(Answer):
    auth_user_id = fields.UUID(required=True, metadata=described("The auth user.", JANE))
    email = text("The e-mail.", "jane.doe@example.com", required=True, allow_none=True)
    email_confirmed = fields.Boolean(required=True, metadata=described("Whether the e-mail is confirmed.", True))
    banned_until = text("When the ban ends: a time, or infinity.", required=True, allow_none=True)
    linked_to = number("The employee who has this login.", required=True, allow_none=True)
    holder_is_inactive = fields.Boolean(
        required=True, metadata=described("Whether that employee is inactive, so that the login can be moved.", False)
    )


class OpenAction(Answer):
    event_id = text("The action in the ledger.", f"{JANE}:disable_auth_user", required=True)
    operation = one_of(tuple(Action), "The action.", "disable_auth_user", required=True)
    status = one_of(tuple(Status), "The status of the action.", "PENDING", required=True)
    outcome = one_of(tuple(ActionOutcome), "The reason of a failure.", required=True, allow_none=True)
    error_message = text("The reason of a failure as a sentence.", required=True, allow_none=True)
    next_attempt_at = moment("When the action is performed; null if it needs attention.", None, allow_none=True)


class SameNumber(Answer):
    employee_id = number("Another employee.", 8, required=True)
    name = text("The name.", "Joe Doe", required=True, allow_none=True)


class EventOfEmployee(ListedEvent):
    person = text("The name of the person, or the e-mail.", "Jane Doe", required=True, allow_none=True)


class Employee(Answer):
    employee = fields.Nested(ListedEmployee, required=True, metadata=described("The employee's current row."))
    standing = fields.Nested(
        StandingOfEmployee, required=True, metadata=described("The standing of the employee and the login.")
    )
    action = fields.Nested(
        OpenAction, required=True, allow_none=True, metadata=described("The newest open or failed ban, or lifted ban.")
    )
    is_ban_newer = fields.Boolean(
        required=True,
        metadata=described(
            "Whether Auth confirmed a ban in the last seconds, after the newest change that was applied.", False
        ),
    )
    auth_failure = text("Why Auth is unavailable now.", required=True, allow_none=True)
    candidates = fields.List(
        fields.Nested(LoginCandidate),
        required=True,
        metadata=described("If the employee has no login: the auth users with the same e-mail or number."),
    )
    same_number = fields.List(
        fields.Nested(SameNumber), required=True, metadata=described("The first others with the same number.")
    )
    events = fields.List(
        fields.Nested(EventOfEmployee), required=True, metadata=described("The newest 20 events and actions.")
    )


class ProblemOfEmployees(Answer):
    sync_status = one_of(tuple(SyncStatus), SYNC_STATUS, "ORPHANED", required=True)
    title = text("The problem in a few words.", "Login deleted", required=True)
    says = text("The problem as a sentence.", "The employee's login was deleted.", required=True)
    count = number("The employees with this problem, counted up to 10,000.", 1, required=True)
    employees = fields.List(
        fields.Nested(ListedEmployee), required=True, metadata=described("The first of them, by `employee_id`.")
    )


class Problems(Answer):
    problems = fields.List(
        fields.Nested(ProblemOfEmployees), required=True, metadata=described("Each problem, also without rows.")
    )
    is_capped = fields.Boolean(required=True, metadata=described("Whether a count is higher than 10,000.", False))
    checked_at = moment("When the employees were counted.")
