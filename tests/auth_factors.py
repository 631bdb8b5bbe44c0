"""The second factors of the double of Supabase Auth (auth_server), as internal/api/mfa.go of supabase/auth has them.

A factor of the double is a dictionary as Auth reports it, with a `secret` that is not reported. Only TOTP factors can
be verified. A wrong code, an expired challenge and a used challenge get a 422.
"""

import base64
import hashlib
import hmac
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from webhook_service.events import Json

STEP_SECONDS = 30
CHALLENGE_SECONDS = 300
SECRET = base64.b32encode(b"0123456789abcdefghij").decode()
OTHER_SECRET = base64.b32encode(b"jihgfedcba9876543210").decode()
KEPT = ("secret",)
"""The keys of a factor that Auth never reports."""


class Refusal(Exception):
    """An error response of Auth."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def totp(secret: str = SECRET, at: datetime | None = None) -> str:
    """The code of RFC 6238 with SHA-1, six digits and steps of 30 seconds."""
    step = int((at or datetime.now(UTC)).timestamp()) // STEP_SECONDS
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4]) & 0x7FFFFFFF) % 10**6:06}"


def wrong_totp(*secrets: str) -> str:
    """A code that none of these secrets accepts."""
    right = {code for secret in secrets or (SECRET,) for code in accepted(secret)}
    return next(code for number in range(10) if (code := f"{number:06}") not in right)


def accepted(secret: str) -> list[str]:
    """The codes that Auth accepts now: one step of skew, and one more step, in which a test may arrive."""
    now = datetime.now(UTC)
    return [totp(secret, now + timedelta(seconds=STEP_SECONDS * skew)) for skew in (-1, 0, 1, 2)]


def factor(name: str = "phone", *, status: str = "verified", kind: str = "totp", secret: str = SECRET) -> Json:
    """A new factor."""
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    return {"id": str(uuid4()), "friendly_name": name, "factor_type": kind, "status": status, "secret": secret} | times


def reported(factors: Sequence[Json]) -> list[Json]:
    """The factors as Auth reports them."""
    return [{name: value for name, value in each.items() if name not in KEPT} for each in factors]


@dataclass(slots=True)
class Challenge:
    factor: str
    at: datetime
    is_verified: bool = False


class Challenges:
    """The challenges of all factors. Any thread may call it."""

    def __init__(self) -> None:
        self._open: dict[str, Challenge] = {}
        self._lock = threading.Lock()

    def expire(self) -> None:
        """Let all challenges expire."""
        with self._lock:
            for challenge in self._open.values():
                challenge.at -= timedelta(seconds=CHALLENGE_SECONDS + 1)

    def begin(self, factors: Sequence[Json], id: str) -> Json:
        """Answer POST /factors/{id}/challenge."""
        found = owned(factors, id)
        require_totp(found)
        challenge, now = str(uuid4()), datetime.now(UTC)
        with self._lock:
            self._open[challenge] = Challenge(found["id"], now)
        expires = int(now.timestamp()) + CHALLENGE_SECONDS
        return {"id": challenge, "type": "totp", "expires_at": expires}

    def verify(self, factors: Sequence[Json], id: str, body: Json) -> None:
        """Check the body of POST /factors/{id}/verify. Raises Refusal."""
        found = owned(factors, id)
        try:
            challenge_id = str(UUID(body.get("challenge_id") or ""))
        except (ValueError, AttributeError):
            raise Refusal(400, "bad_json", "Could not parse request body as JSON") from None
        if not body.get("code"):
            raise Refusal(400, "validation_failed", "Code needs to be non-empty")
        require_totp(found)
        with self._lock:
            challenge = self._open.get(challenge_id)
            if challenge is None or challenge.factor != found["id"]:
                message = "MFA factor with the provided challenge ID not found"
                raise Refusal(422, "mfa_factor_not_found", message)
            if challenge.is_verified:
                raise Refusal(422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
            if challenge.at < datetime.now(UTC) - timedelta(seconds=CHALLENGE_SECONDS):
                del self._open[challenge_id]
                message = f"MFA challenge {challenge_id} has expired, verify against another challenge"
                raise Refusal(422, "mfa_challenge_expired", message)
            now = datetime.now(UTC)
            if body["code"] not in [totp(found["secret"], now + timedelta(seconds=30 * skew)) for skew in (-1, 0, 1)]:
                raise Refusal(422, "mfa_verification_failed", "Invalid TOTP code entered")
            challenge.is_verified = True


def owned(factors: Sequence[Json], id: str) -> Json:
    try:
        UUID(id)
    except ValueError:
        raise Refusal(404, "validation_failed", "factor_id must be an UUID") from None
    found = next((each for each in factors if each["id"] == id), None)
    if found is None:
        raise Refusal(404, "mfa_factor_not_found", "Factor not found")
    return found


def require_totp(found: Json) -> None:
    if found["factor_type"] != "totp":
        raise Refusal(422, "mfa_phone_verify_not_enabled", "MFA verification is disabled for Phone")
