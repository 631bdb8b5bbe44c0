"""The schemas of the admin API's responses about employees and their logins."""

from marshmallow import fields

from webhook_service.events import ActionOutcome
from webhook_service.outbound.held import Reason
from webhook_service.web.api.described import JANE, described, moment, number, one_of, text
from webhook_service.web.api.schemas import Answer

HELD_REASON = (
    "mass_deactivation: an unusual share of the employees was deactivated at once. shared_email: another active "
    "employee has the e-mail or the number of the login, and may own it."
)


class HeldPerson(Answer):
    auth_user_id = fields.UUID(required=True, metadata=described("The auth user to ban.", JANE))
    employee_id = number("The employee.", 7, required=True, allow_none=True)
    name = text("The employee's name.", "Jane Doe", required=True, allow_none=True)
    email = text(
        "The e-mail of the auth user, or else of the employee.", "jane@example.com", required=True, allow_none=True
    )
    held_at = moment("When the ban was held.")
    reason = one_of(tuple(Reason), HELD_REASON, required=True)


class Held(Answer):
    count = number("The held bans, counted up to 10,000.", 1, required=True)
    oldest_seconds = fields.Float(
        required=True, allow_none=True, metadata=described("How long the oldest has been held.", 60.5)
    )
    newest_id = number("Names these bans in a decision, without later ones.", 30, required=True, allow_none=True)
    people = fields.List(
        fields.Nested(HeldPerson),
        required=True,
        metadata=described("The first hundred people whose logins are to be banned."),
    )


class HeldDecision(Answer):
    count = number("How many held bans this request released or dropped.", 1, required=True)


class CreatedEmployee(Answer):
    employee_id = number("The new employee.", 7, required=True)
    auth_user_id = fields.UUID(required=True, metadata=described("The login."))
    event_id = text("The action in the ledger.", required=True)
    outcome = one_of(("created", "linked"), "linked: the auth user already existed.", required=True)
    temporary_password = text(
        "The password, which is never returned again; null with `invite` or `auth_user_id`.",
        required=True,
        allow_none=True,
    )
    password_was_shown = fields.Boolean(
        required=True,
        metadata=described("Whether an earlier answer to the same `Idempotency-Key` had the password.", False),
    )


class Login(Answer):
    status = one_of(
        ("done", "queued", "held", "failed", "none"),
        "done: Auth has the change. queued: the relay performs the action later. held: the ban waits for an admin, "
        "because an unusual share of the employees was deactivated. failed: the action needs attention. none: the "
        "employee has no login.",
        required=True,
    )
    outcome = one_of(tuple(ActionOutcome), "The outcome of the action.")
    event_id = text("The action in the ledger.")
    reason = text("The reason why the action is queued or failed.", "auth_unreachable")


class ChangedEmployee(Answer):
    employee_id = number("The employee.", 7, required=True)
    changed = fields.List(
        text("A column.", "email"),
        required=True,
        metadata=described("The e-mail, names and number that had another value before, by column.", ["email"]),
    )
    is_active = fields.Boolean(required=True, metadata=described("Whether the employee is active now.", False))
    login = fields.Nested(
        Login, metadata=described("The state of the login after a change of `is_active`. Absent without `is_active`.")
    )


class UnlinkedEmployee(Answer):
    employee_id = number("The employee.", 7, required=True)
    auth_user_id = fields.UUID(required=True, metadata=described("The login, which no employee has now.", JANE))
    restored = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(allow_none=True),
        required=True,
        metadata=described(
            "The values of the employee from before the link, by column.", {"email": "office@example.com"}
        ),
    )
