"""What Supabase Auth's answers mean to us: one table from its errors, and those of the way to it, to ours."""

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
SHORTEST_PAUSE, DEFAULT_PAUSE, LONGEST_PAUSE = 1.0, 5.0, 3600.0
"""Seconds."""


class NoSuccess(Exception):
    """An answer that is no success of Auth's. `code` is the one of Auth's error, None where the error is no Auth's."""

    def __init__(self, status: int, code: str | None, *, is_page: bool, pause: float) -> None:
        super().__init__(f"{status} {code or ''}".rstrip())
        self.status = status
        self.code = code
        self.is_page = is_page
        self.pause = pause

    @property
    def is_failure(self) -> bool:
        """Auth's own word for what went wrong inside it."""
        return self.status == 500 and self.code is not None


def require_a_success(response: httpx.Response) -> None:
    """Raises NoSuccess for all but a success with a JSON object in it, which is what each call here answers.

    supabase-py would hand on neither the headers of an error, nor the status of one that is a proxy's page.
    """
    response.read()
    try:
        said = response.json()
    except ValueError:
        said = None
    if (is_page := not isinstance(said, dict)) or not response.is_success:
        pause = pause_of(response.headers.get("Retry-After", ""), now=datetime.now(UTC))
        raise NoSuccess(response.status_code, code_of(said), is_page=is_page, pause=pause)


def code_of(said: Json) -> str | None:
    """The code of an error of Auth, which has two forms; "" where there is none yet (before v2.150); None of others."""
    if not isinstance(said, dict):
        return None
    for name in ("error_code", "code"):
        code = said.get(name)
        if isinstance(code, str) and CODE.fullmatch(code):
            return code
    return "" if isinstance(said.get("code"), int) and "msg" in said else None


def pause_of(retry_after: str, *, now: datetime) -> float:
    """Seconds, from a Retry-After of seconds or of a date; within reason."""
    if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII):
        pause = float(retry_after)
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except (ValueError, OverflowError):
            return DEFAULT_PAUSE
        pause = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)


def asked(call: Callable[[], T]) -> T:
    """The answer, or our error. It hides those whose text is of others, who may repeat what was sent."""
    try:
        return call()
    except NoSuccess as answer:
        raise error_for(answer) from answer
    except AuthRetryableError as error:
        cause = type(error.__cause__ or error).__name__
        raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({cause}).") from None
    except UnicodeError:
        raise AuthRefused("auth_refused", "It has characters that cannot be sent.", "validation_failed") from None
    except (AuthError, ValueError, OverflowError) as error:  # JSON that is no user, or has impossible times
        raise AuthUnavailable("auth_unavailable", f"That was no answer of Auth ({type(error).__name__}).") from None


def error_for(answer: NoSuccess) -> ServiceError:
    """A 4xx of Auth's own refuses (but "slow down" and "timed out"); all else is trouble in Auth or on the way."""
    status, code = answer.status, answer.code or ""
    if status == 429:
        return AuthThrottled("auth_throttled", f"Auth asks for a pause ({answer}).", answer.pause)
    if status in (401, 403) and not answer.is_page:  # Auth's, or that of the gateway before it
        detail = f"Auth refused the key ({answer}); are Supabase's URL and key right?"
        return AuthRefused("auth_key_refused", detail, code)
    if answer.code is None or status == 408 or not 400 <= status < 500:
        return AuthUnavailable("auth_unavailable", f"Auth cannot do it now ({answer}).")
    if (status, code) == (404, "user_not_found"):
        return AuthUserNotFound("user_not_found", "There is no such auth user.", code)
    if (status, code) == (422, "email_exists"):
        return AuthEmailExists("email_exists", "Another auth user has that e-mail.", code)
    return AuthRefused("auth_refused", f"Auth refused the call ({answer}).", code)
