"""The limit of attempts to guess the admin key or a password, which the sign-in page and the admin API share."""

import hmac
import logging
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from flask import request

from webhook_service.errors import ServiceError, TooManyAttempts, Unauthorized
from webhook_service.web import Wiring

log = logging.getLogger(__name__)

ATTEMPTS, PER_SECONDS = 10, 600
"""The number of attempts that are possible at once, and the time in which this number is regained.

The limit applies to the attempts from each address, and to the attempts for each account.
"""

RESULTS = {401: "refused", 429: "throttled"}
"""The results of refused attempts in the metrics by HTTP status. All others have failed."""


def address() -> str:
    """Return the address for counting attempts, or the /64 network for IPv6, because a client can use all of it."""
    try:
        found = ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def seconds_to_wait(wiring: Wiring, email: str = "") -> float:
    """Count an attempt, and return the seconds that the visitor must wait, or 0.

    Attempts are counted for each address, and for each account from all addresses together. Attempts with the admin key
    are limited only by address, because the key is too long to guess, and a visitor must not be able to lock it.
    """
    keys = [address_key()]
    if email:
        keys.append(f"to:{sha256(email.encode(errors='replace')).hexdigest()[:32]}")
    wait: float = wiring.database.call(
        "auth_sync_attempt_sign_in_v1", p_keys=keys, p_attempts=ATTEMPTS, p_seconds=PER_SECONDS
    )
    return wait


def check_bearer(wiring: Wiring) -> None:
    """Check the admin key in the header Authorization. Raises Unauthorized, TooManyAttempts, Unavailable.

    A wrong key counts as an attempt. A right key does not, but an address that must wait is refused with it too,
    because the response would otherwise show which key is right. A request without a key guesses nothing.
    """
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    shown = shown.strip(" ")
    if scheme.lower() != "bearer" or not shown:
        raise unauthorized()
    if is_right := is_admin_key(wiring, shown):
        wait = wiring.database.call(
            "auth_sync_sign_in_wait_v1", p_key=address_key(), p_attempts=ATTEMPTS, p_seconds=PER_SECONDS
        )
    else:
        try:
            wait = seconds_to_wait(wiring)
        except ServiceError as error:
            note_refused(wiring, error.reason, 503)
            raise
    if wait:
        note_refused(wiring, "too_many", 429)
        raise TooManyAttempts(wait)
    if not is_right:
        note_refused(wiring, "wrong_key", 401)
        raise unauthorized()


def is_admin_key(wiring: Wiring, shown: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(shown.encode(errors="replace"), wiring.settings.admin_api_key.encode())


def note_refused(wiring: Wiring, reason: str, status: int) -> None:
    """Log and count a refused attempt: the address and the reason, but no typed text."""
    log.warning("sign-in refused", extra={"address": request.remote_addr, "reason": reason})
    wiring.metrics.signed_in(RESULTS.get(status, "failed"))


def address_key() -> str:
    return f"from:{address()}"


def unauthorized() -> Unauthorized:
    return Unauthorized("unauthorized", "The header Authorization: Bearer <ADMIN_API_KEY> is required.")
