"""What the admin API answers about employees (see `web.schemas`)."""

from marshmallow import fields

from webhook_service.events import ActionOutcome
from webhook_service.web.api.schemas import Answer, number, one_of, says, text


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
