"""Converts errors to the error messages of SCIM (RFC 7644, 3.12), and bodies to responses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil

from flask import Response
from werkzeug.exceptions import HTTPException

from webhook_service.errors import AuthUnavailable, BadPayload, PayloadTooLarge, ServiceError, Unavailable
from webhook_service.events import Json
from webhook_service.scim.refusals import BrakeOn, Refusal, TooFast, UnknownClient
from webhook_service.web.errors import INTERNAL, log_service_error, log_unexpected_error, status_of

CONTENT_TYPE = "application/scim+json"
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"


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
        kind = {"scimType": self.scim_type} if self.scim_type is not None else {}
        return {"schemas": [ERROR_URN], "status": str(self.status.value), **kind, "detail": self.detail}


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


def answer(body: Json, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response, which caches must not keep."""
    text = json.dumps(body) if body is not None else None
    response = Response(text, status, content_type=CONTENT_TYPE)
    if text is None:
        del response.headers["Content-Type"]
    response.headers |= {"Cache-Control": "no-store", **(headers or {})}
    return response
