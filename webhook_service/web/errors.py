"""Errors -> `application/problem+json` (RFC 9457). The only place that knows HTTP statuses of errors."""

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
    NotPossible,
    PayloadTooLarge,
    ServiceError,
    Unauthorized,
    Unavailable,
    WrongContentType,
)

log = logging.getLogger(__name__)

STATUSES: dict[type[ServiceError], HTTPStatus] = {
    BadSignature: HTTPStatus.UNAUTHORIZED,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    EventNotFound: HTTPStatus.NOT_FOUND,
    BadLink: HTTPStatus.FORBIDDEN,
    ExpiredLink: HTTPStatus.GONE,
    BadPayload: HTTPStatus.BAD_REQUEST,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WrongContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidPayload: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidQuery: HTTPStatus.UNPROCESSABLE_ENTITY,
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
    """A problem document: type, title, status, detail, and our stable `reason`."""
    document = {
        "type": f"urn:webhook-service:{reason}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "reason": reason,
    }
    return Response(json.dumps(document | more), status, content_type="application/problem+json")


def facts_of(error: ServiceError) -> dict[str, object]:
    """What some errors say besides their reason."""
    if isinstance(error, InvalidQuery):
        return {"fields": error.fields}
    if isinstance(error, EmployeeRejected):
        return dict(error.facts)
    if isinstance(error, EmailTaken):
        return {"side": error.side, **error.holder}
    return {}


def status_of(error: ServiceError) -> HTTPStatus:
    return STATUSES[type(error)]


def log_service_error(error: ServiceError) -> None:
    """What is not the caller's fault."""
    if isinstance(error, Unavailable | DatabaseError):
        log.error("database trouble", extra={"reason": error.reason, "detail": error.detail}, exc_info=error)


def log_unexpected_error(error: Exception) -> None:
    log.error("unexpected error", exc_info=error)


def answer_to(error: Exception) -> tuple[Response, str]:
    """The problem document of an error, whatever it is, and its reason."""
    if isinstance(error, ServiceError):
        return problem_of_our_error(error), error.reason
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.code or 500)
        return problem_of_http_error(error, status), status.name.lower()
    log_unexpected_error(error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, reason := "internal_error", "This should not have happened."), reason


def problem_of_our_error(error: ServiceError) -> Response:
    log_service_error(error)
    response = problem(status_of(error), error.reason, error.detail, **facts_of(error))
    if isinstance(error, Unavailable | AuthUnavailable):
        response.headers["Retry-After"] = str(ceil(error.retry_after))
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def problem_of_http_error(error: HTTPException, status: HTTPStatus) -> Response:
    response = problem(status, status.name.lower(), error.description or status.description)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def register(app: Flask) -> None:
    """For ServiceError, HTTPException and any other, which Flask looks up by their class."""

    @app.errorhandler(Exception)
    def problem_of(error: Exception) -> Response:
        return answer_to(error)[0]
