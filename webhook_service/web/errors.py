"""Converts errors to `application/problem+json` (RFC 9457).

Only this module maps errors to HTTP statuses. The refusals of SCIM have their own statuses and format (`scim.answers`).
"""

import json
import logging
from http import HTTPStatus
from math import ceil

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    AuthUncertain,
    AuthUserNotFound,
    BadLink,
    BadPayload,
    BadSignature,
    Conflict,
    DatabaseError,
    EmailTaken,
    EmployeeNotFound,
    EmployeeRejected,
    EventNotFound,
    ExpiredLink,
    InvalidPayload,
    InvalidQuery,
    KeyReused,
    NotAllowed,
    NotPossible,
    PayloadTooLarge,
    RequestUnderWay,
    ServiceError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
    WrongContentType,
)

log = logging.getLogger(__name__)

INTERNAL = "The service has an internal error. The log of the service has the details."

STATUSES: dict[type[ServiceError], HTTPStatus] = {
    BadSignature: HTTPStatus.UNAUTHORIZED,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    EventNotFound: HTTPStatus.NOT_FOUND,
    BadLink: HTTPStatus.FORBIDDEN,
    NotAllowed: HTTPStatus.FORBIDDEN,
    ExpiredLink: HTTPStatus.GONE,
    BadPayload: HTTPStatus.BAD_REQUEST,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WrongContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidPayload: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidQuery: HTTPStatus.UNPROCESSABLE_ENTITY,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestUnderWay: HTTPStatus.CONFLICT,
    NotPossible: HTTPStatus.CONFLICT,
    EmployeeNotFound: HTTPStatus.NOT_FOUND,
    EmployeeRejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    EmailTaken: HTTPStatus.CONFLICT,
    AuthEmailExists: HTTPStatus.CONFLICT,
    AuthUserNotFound: HTTPStatus.NOT_FOUND,
    AuthRefused: HTTPStatus.BAD_GATEWAY,
    AuthUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    AuthThrottled: HTTPStatus.SERVICE_UNAVAILABLE,
    AuthUncertain: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseError: HTTPStatus.INTERNAL_SERVER_ERROR,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Conflict: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem(status: HTTPStatus, reason: str, detail: str, **more: object) -> Response:
    """Return a response with a problem document: type, title, status, detail, the stable `reason`, and `more`."""
    document = {
        "type": f"urn:webhook-service:{reason}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "reason": reason,
    }
    return Response(json.dumps(document | more), status, content_type="application/problem+json")


def members_of(error: ServiceError) -> dict[str, object]:
    """Return the members of an error's problem document that other errors do not have."""
    if isinstance(error, InvalidQuery):
        return {"fields": error.fields}
    if isinstance(error, EmployeeRejected):
        return dict(error.facts)
    if isinstance(error, EmailTaken):
        return {"side": error.side, **error.holder}
    return {}


def status_of(error: ServiceError) -> HTTPStatus:
    """Return the HTTP status of an error of this service."""
    return STATUSES[type(error)]


def log_service_error(error: ServiceError) -> None:
    """Log the error if the caller has not caused it."""
    if isinstance(error, Unavailable | DatabaseError):
        log.error("database error", extra={"reason": error.reason, "detail": error.detail}, exc_info=error)


def log_unexpected_error(error: Exception) -> None:
    """Log an error that this service does not expect."""
    log.error("unexpected error", exc_info=error)


def answer_to(error: Exception) -> tuple[Response, str]:
    """Return the problem document of any error, and its reason. Logs the error if the caller has not caused it."""
    if isinstance(error, ServiceError):
        return problem_of_service_error(error), error.reason
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.code or 500)
        return problem_of_http_error(error, status), status.name.lower()
    log_unexpected_error(error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, reason := "internal_error", INTERNAL), reason


def problem_of_service_error(error: ServiceError) -> Response:
    """Return the problem document of an error of this service, with its headers Retry-After and WWW-Authenticate."""
    log_service_error(error)
    response = problem(status_of(error), error.reason, error.detail, **members_of(error))
    if isinstance(error, Unavailable | AuthUnavailable | TooManyAttempts | RequestUnderWay):
        response.headers["Retry-After"] = str(ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def problem_of_http_error(error: HTTPException, status: HTTPStatus) -> Response:
    """Return the problem document of an error of Flask or Werkzeug.

    The reason is the name of the status, such as `not_found`.
    """
    response = problem(status, status.name.lower(), error.description or status.description)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def register(app: Flask) -> None:
    """Register a handler that answers every error of a view with a problem document."""

    @app.errorhandler(Exception)
    def problem_of(error: Exception) -> Response:
        return answer_to(error)[0]
