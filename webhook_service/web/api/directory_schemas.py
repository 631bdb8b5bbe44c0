"""The schemas of the admin API's responses about directories."""

from marshmallow import fields

from webhook_service.web.api.described import described, moment, number, text
from webhook_service.web.api.schemas import Answer

NUMBER = "The number of the token."
DIRECTORY = "The name of the directory."


class Token(Answer):
    token_id = number(NUMBER, 3, required=True)
    client_id = number("The number of the directory.", 1, required=True)
    name = text(DIRECTORY, "okta", required=True)
    created_by = text("Who created the token.", "api:Ann", required=True)
    created_at = moment("When the token was created.")
    last_used_at = moment("When the token was last used, to the minute.", allow_none=True)
    revoked_at = moment("When the token was revoked.", None, allow_none=True)
    revoked_by = text("Who revoked the token.", required=True, allow_none=True)


class Tokens(Answer):
    tokens = fields.List(
        fields.Nested(Token), required=True, metadata=described("All tokens, also revoked ones, oldest first.")
    )


class CreatedToken(Answer):
    token_id = number(NUMBER, 3, required=True)
    name = text(DIRECTORY, "okta", required=True)
    token = text("The token, which is never returned again.", required=True, allow_none=True)
    token_was_shown = fields.Boolean(
        required=True,
        metadata=described("Whether an earlier answer to the same `Idempotency-Key` had the token.", False),
    )


class RevokedTokens(Answer):
    count = number("How many tokens this request revoked.", 1, required=True)


class ReleasedEmployee(Answer):
    employee_id = number("The employee.", 7, required=True)
    directory = text("The name of the directory that managed the employee.", "okta", required=True)
