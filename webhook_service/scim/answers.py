"""Converts errors to the error messages of SCIM (RFC 7644, 3.12)."""

from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil

from scim2_models import Error
from werkzeug.exceptions import HTTPException

from webhook_service.errors import AuthUnavailable, BadPayload, PayloadTooLarge, ServiceError, Unavailable
from webhook_service.events import Json
from webhook_service.scim.refusals import BrakeOn, Refusal, TooFast, UnknownClient
from webhook_service.web.errors import INTERNAL, log_service_error, log_unexpected_error, status_of


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer to a refused request."""

    status: HTTPStatus
    detail: str
    scim_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Json]:
        """The error message."""
        return Error(status=self.status.value, scim_type=self.scim_type, detail=self.detail).model_dump()


def failure_of(error: Exception) -> Failure:
    """Return the answer to any error. Logs the error if the client has not caused it."""
    if isinstance(error, Refusal):
        return Failure(error.status, error.detail, error.scim_type, headers_of(error))
    if isinstance(error, PayloadTooLarge):
        return Failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.detail)
    if isinstance(error, BadPayload):
        kind = "invalidValue" if error.reason == "unstorable_text" else "invalidSyntax"
        return Failure(HTTPStatus.BAD_REQUEST, error.detail, kind)
    if isinstance(error, ServiceError):
        log_service_error(error)
        return Failure(status_of(error), error.detail, headers=headers_of(error))
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.code or 500)
        allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
        return Failure(status, error.description or status.description, headers=allowed)
    log_unexpected_error(error)
    return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)


def headers_of(error: ServiceError) -> dict[str, str]:
    """Return the headers by which a client knows what to do."""
    if isinstance(error, UnknownClient):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, BrakeOn | TooFast | Unavailable | AuthUnavailable):
        return {"Retry-After": str(ceil(error.retry_after))}
    return {}
