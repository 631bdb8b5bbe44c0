"""The refusals of a SCIM request. Each class has the HTTP status and the `scimType` of its error (RFC 7644, 3.12).

A detail never contains a value of the request or of an employee.
"""

from http import HTTPStatus
from typing import ClassVar

from webhook_service.errors import ServiceError


class Refusal(ServiceError):
    """The base class of all refusals of a SCIM request."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    scim_type: ClassVar[str | None] = None
    is_audited = False
    """Whether the audit has the refusal as an act."""


class NoSuchPerson(Refusal):
    """The client has no such user."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("no_such_person", "There is no such user.")


class VersionMismatch(Refusal):
    """The user was changed since the version of If-Match."""

    status = HTTPStatus.PRECONDITION_FAILED

    def __init__(self) -> None:
        super().__init__("version_mismatch", "The user has another version than If-Match: read the user again.")


class Uniqueness(Refusal):
    """Another user has this value, or several employees match. `attribute` is the name of a SCIM attribute."""

    status = HTTPStatus.CONFLICT
    scim_type = "uniqueness"

    def __init__(self, attribute: str) -> None:
        super().__init__("uniqueness", f"Another user has this value of {attribute}.")
        self.attribute = attribute


class InvalidValue(Refusal):
    """The value of an attribute is not possible. `attribute` is the name of a SCIM attribute."""

    scim_type = "invalidValue"

    def __init__(self, attribute: str, why: str) -> None:
        super().__init__("invalid_value", f"{attribute} {why}")
        self.attribute = attribute


class Managed(Refusal):
    """Another directory manages this person. `name` is the name of its client."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self, name: str) -> None:
        super().__init__("managed", f"The directory {name} manages this user.")
        self.name = name


class BrakeOn(Refusal):
    """The brake on mass deactivation refuses the change. The client should retry."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 300
    """Seconds to wait before the retry."""

    def __init__(self) -> None:
        super().__init__("brake_on", "Too many people were deactivated. An admin must decide: retry later.")


class InvalidSyntax(Refusal):
    """The body of the request is malformed."""

    scim_type = "invalidSyntax"

    def __init__(self, detail: str) -> None:
        super().__init__("invalid_syntax", detail)


class InvalidFilter(Refusal):
    """The filter is malformed, or an operator does not fit its attribute."""

    scim_type = "invalidFilter"

    def __init__(self, detail: str) -> None:
        super().__init__("invalid_filter", detail)


class InvalidPath(Refusal):
    """The path of a PATCH operation is malformed."""

    scim_type = "invalidPath"

    def __init__(self, detail: str) -> None:
        super().__init__("invalid_path", detail)


class NoTarget(Refusal):
    """The filter of a path selects no value."""

    scim_type = "noTarget"

    def __init__(self) -> None:
        super().__init__("no_target", "The path selects no value.")


class NotMutable(Refusal):
    """The attribute is read-only, or is required and cannot be removed."""

    scim_type = "mutability"

    def __init__(self, attribute: str, why: str = "is read-only.") -> None:
        super().__init__("mutability", f"{attribute} {why}")


class TooMuch(Refusal):
    """The request has too many operations or bytes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, detail: str) -> None:
        super().__init__("too_much", detail)


class UnknownClient(Refusal):
    """The request has no valid token."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("unauthorized", "The header Authorization: Bearer <token> is required.")


class TooFast(Refusal):
    """The client sends more requests than SCIM_RATE, and must wait for `retry_after` seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after: float) -> None:
        super().__init__("too_many_requests", "The client sends too many requests: wait for Retry-After seconds.")
        self.retry_after = retry_after
