"""Errors become error messages of SCIM."""

import pytest
from werkzeug.exceptions import MethodNotAllowed

from webhook_service.errors import BadPayload, DatabaseError, PayloadTooLarge, Unavailable
from webhook_service.scim.answers import failure_of
from webhook_service.scim.refusals import BrakeOn, InvalidValue, Managed, TooFast, UnknownClient


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidValue("title", "is bad."), 400, "invalidValue"),
        (BadPayload("not_json", "The body is not JSON."), 400, "invalidSyntax"),
        (BadPayload("unstorable_text", "NUL"), 400, "invalidValue"),
        (PayloadTooLarge("too_large", "large"), 413, None),
        (Managed("okta"), 403, None),
        (DatabaseError("database_error", "bad"), 500, None),
        (Unavailable("database_unreachable", "away"), 503, None),
        (MethodNotAllowed(["GET"]), 405, None),
        (KeyError("secret"), 500, None),
    ],
)
def test_an_error_is_a_message(error: Exception, status: int, kind: str | None) -> None:
    """Each error has its status as text, and a scimType only where one fits. A surprise does not show its text."""
    failure = failure_of(error)
    assert (failure.status, failure.scim_type) == (status, kind)
    assert failure.body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert failure.body["status"] == str(status)
    assert "secret" not in failure.detail


def test_the_client_knows_when_to_retry() -> None:
    """An error that a retry may solve has Retry-After, and a missing token has WWW-Authenticate."""
    assert failure_of(BrakeOn()).headers == {"Retry-After": "300"}
    assert failure_of(TooFast(1.2)).headers == {"Retry-After": "2"}
    assert failure_of(Unavailable("x", "y")).headers == {"Retry-After": "5"}
    assert failure_of(UnknownClient()).headers == {"WWW-Authenticate": "Bearer"}
