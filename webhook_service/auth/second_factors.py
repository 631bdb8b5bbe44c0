"""The check of a code with Supabase Auth: a challenge of a factor, and its verification with the code.

Source: internal/api/mfa.go of supabase/auth. A right code raises the session of the access token to `aal2`, and ends
all other sessions of the user that have only `aal1`. A challenge is valid for five minutes, and for the address that
requested it, so each check requests a new one.
"""

from collections.abc import Sequence
from functools import partial

import httpx
from supabase_auth.types import AuthMFAChallengeResponse, AuthMFAVerifyResponse, User

from webhook_service.auth.answers import call_auth
from webhook_service.auth.passwords import refused, wrong_code
from webhook_service.errors import AuthRefused, AuthUnavailable
from webhook_service.events import Json

NOT_IN_TIME = ("mfa_challenge_expired", "mfa_ip_address_mismatch")
"""Codes of Auth that say that a challenge is not valid any more."""
API_VERSION = "2024-01-01"
"""Without this header, Auth reports errors in its older form."""


def verify(http: httpx.Client, url: str, key: str, token: str, factors: Sequence[str], code: str) -> tuple[User, str]:
    """Return the user and the new access token if one of the factors accepts the code.

    Raises AuthRefused and AuthUnavailable as `Passwords.check_code` does.
    """
    headers = {"apikey": key, "Authorization": f"Bearer {token}", "X-Supabase-Api-Version": API_VERSION}

    def post(factor: str, action: str, body: Json) -> bytes:
        try:
            return http.post(f"{url}/factors/{factor}/{action}", headers=headers, json=body).content
        except httpx.HTTPError as error:
            raise AuthUnavailable("auth_unreachable", f"Auth did not answer ({type(error).__name__}).") from None

    def check(factor: str) -> AuthMFAVerifyResponse:
        challenge = AuthMFAChallengeResponse.model_validate_json(post(factor, "challenge", {}))
        return AuthMFAVerifyResponse.model_validate_json(
            post(factor, "verify", {"challenge_id": challenge.id, "code": code})
        )

    missing = 0
    for factor in factors:
        try:
            verified = call_auth(partial(check, factor))
        except AuthRefused as error:
            if error.code == "mfa_factor_not_found":
                missing += 1  # the user has removed it meanwhile
            elif error.code in NOT_IN_TIME:
                detail = "Auth did not check the code in time."
                raise AuthUnavailable("auth_unavailable", detail) from None
            elif error.code != "mfa_verification_failed":
                if error.reason == "auth_key_refused" and not error.code:
                    raise  # the gateway refuses the service's key, not this user
                raise refused(error.code) from None
            continue
        return verified.user, verified.access_token
    raise refused("mfa_factor_not_found") if missing == len(factors) else wrong_code("mfa_verification_failed")
