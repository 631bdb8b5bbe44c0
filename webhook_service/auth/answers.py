"""The translation of Supabase Auth's responses, and of network errors, into this service's errors."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from supabase import AuthError, AuthRetryableError

from webhook_service.errors import (
    AuthEmailExists,
    AuthRefused,
    AuthThrottled,
    AuthUnavailable,
    AuthUserNotFound,
    ServiceError,
)
from webhook_service.events import Json

T = TypeVar("T")

CODE = re.compile(r"\w{1,50}", re.ASCII)
SHORTEST_PAUSE_SECONDS, DEFAULT_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 5.0, 3600.0


class UnsuccessfulResponse(Exception):
    """A response that is not the result of a successful call of Auth.

    `code` is the code of Auth's error, or None if Auth did not send the error. `is_page` says that the body is not a
    JSON object. `pause` is the value of Retry-After in seconds.
    """

    def __init__(self, status: int, code: str | None, *, is_page: bool, pause: float) -> None:
        super().__init__(f"{status} {code or ''}".rstrip())
        self.status = status
        self.code = code
        self.is_page = is_page
        self.pause = pause

    @property
    def is_internal_error(self) -> bool:
        """Return whether Auth reports an internal error."""
        return self.status == 500 and self.code is not None


def require_success(response: httpx.Response) -> None:
    """Raise UnsuccessfulResponse unless the response is a success with a JSON object, which each call here returns.

    supabase-py drops the headers of an error response. If the response is a proxy's page, it drops the status too.
    """
    response.read()
    try:
        body = response.json()
    except ValueError:
        body = None
    if (is_page := not isinstance(body, dict)) or not response.is_success:
        pause = pause_seconds(response.headers.get("Retry-After", ""), now=datetime.now(UTC))
        raise UnsuccessfulResponse(response.status_code, code_of(body), is_page=is_page, pause=pause)


def code_of(body: Json) -> str | None:
    """Return the code of an error of Auth, in either of the two forms that Auth uses.

    Returns "" for an error without a code (Auth before v2.150), and None if the body is not an error of Auth.
    """
    if not isinstance(body, dict):
        return None
    for name in ("error_code", "code"):
        code = body.get(name)
        if isinstance(code, str) and CODE.fullmatch(code):
            return code
    return "" if isinstance(body.get("code"), int) and "msg" in body else None


def pause_seconds(retry_after: str, *, now: datetime) -> float:
    """Return the seconds that a Retry-After header demands, which holds seconds or a date.

    The pause is at least SHORTEST_PAUSE_SECONDS and at most LONGEST_PAUSE_SECONDS. For an unreadable header it is
    DEFAULT_PAUSE_SECONDS.
    """
    if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII):
        pause = float(retry_after)
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return DEFAULT_PAUSE_SECONDS
        pause = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def call_auth(call: Callable[[], T]) -> T:
    """Return the result of `call`. Raises AuthUnavailable, AuthRefused and their subclasses.

    The original error is hidden if a library or a proxy wrote its text, because the text may repeat the request's data.
    """
    try:
        return call()
    except UnsuccessfulResponse as response:
        raise error_for(response) from response
    except AuthRetryableError as error:
        cause = type(error.__cause__ or error).__name__
        raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({cause}).") from None
    except UnicodeError:
        raise AuthRefused("auth_refused", "A value has characters that cannot be sent.", "validation_failed") from None
    except (AuthError, ValueError, OverflowError) as error:  # the JSON is not a user, or has impossible times
        detail = f"The response did not come from Auth ({type(error).__name__})."
        raise AuthUnavailable("auth_unavailable", detail) from None


def error_for(response: UnsuccessfulResponse) -> ServiceError:
    """Return the error for a response.

    A 4xx of Auth means that Auth refuses the call, except 408 (timeout) and 429 (too many requests). Every other
    response means an outage of Auth or of the network.
    """
    status, code = response.status, response.code or ""
    if status == 429:
        return AuthThrottled("auth_throttled", f"Auth demands a pause ({response}).", response.pause)
    if status in (401, 403) and not response.is_page:  # from Auth, or from the gateway in front of it
        detail = f"Auth refused the key ({response}). Check SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY."
        return AuthRefused("auth_key_refused", detail, code)
    if response.code is None or status == 408 or not 400 <= status < 500:
        return AuthUnavailable("auth_unavailable", f"Auth cannot process the call now ({response}).")
    if (status, code) == (404, "user_not_found"):
        return AuthUserNotFound("user_not_found", "There is no such auth user.", code)
    if (status, code) == (422, "email_exists"):
        return AuthEmailExists("email_exists", "Another auth user has that e-mail.", code)
    return AuthRefused("auth_refused", f"Auth refused the call ({response}).", code)
