"""The check of a password, and of a code of a second factor, with Supabase Auth. See `passwords.Passwords`."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from cryptography.fernet import Fernet, InvalidToken
from supabase import AuthError
from supabase_auth import SyncGoTrueClient

from webhook_service.auth.answers import UnsuccessfulResponse, call_auth, require_success
from webhook_service.auth.passwords import UNKNOWN_FACTOR, CodeNeeded, refused, wrong_code
from webhook_service.auth.second_factors import verify
from webhook_service.auth.stand_in_users import is_email
from webhook_service.auth.supabase import TIMEOUT, account_of
from webhook_service.errors import AuthRefused
from webhook_service.events import Account

log = logging.getLogger(__name__)

CODE = re.compile("[0-9]{6}")


class SupabasePasswords:
    """Signs users in to Supabase Auth and out again, with a client for each call only.

    Every method also raises AuthRefused with the reason `auth_key_refused` if Auth refuses `key`.
    """

    def __init__(self, url: str, key: str, timeout: httpx.Timeout = TIMEOUT) -> None:
        self._url = f"{url.rstrip('/')}/auth/v1"
        self._key = key
        self._timeout = timeout

    def check_password(self, email: str, password: str) -> Account | CodeNeeded:
        if not password or not is_email(email):  # Auth would refuse the sign-in too
            raise refused("no_email_or_password")
        with self._visitor() as (_, visitor):
            try:
                response = call_auth(lambda: visitor.sign_in_with_password({"email": email, "password": password}))
            except AuthRefused as error:
                if error.reason == "auth_key_refused" and error.code != "user_banned":
                    raise  # Auth refuses the service's key, not this user
                raise refused(error.code) from None
            if response.user is None or response.session is None:
                raise refused("no_session")
            user, token = response.user, response.session.access_token
            verified = [factor for factor in user.factors or () if factor.status == "verified"]
            if codes := [factor.id for factor in verified if factor.factor_type == "totp"]:
                account = call_auth(lambda: account_of(user))
                return sealed_proof(account, token, codes)
            sign_out(visitor, token)
        if verified:
            raise refused(UNKNOWN_FACTOR)  # such as a phone: a password alone is not enough
        return call_auth(lambda: account_of(user))

    def check_code(self, sealed: str, key: str, code: str) -> Account:
        token, factors = opened_proof(sealed, key)
        typed = re.sub(r"\s", "", code)
        if not CODE.fullmatch(typed):
            raise wrong_code("no_code")
        with self._visitor() as (http, visitor):
            user, new_token = verify(http, self._url, self._key, token, factors, typed)
            sign_out(visitor, new_token)
        return call_auth(lambda: account_of(user))

    def abandon(self, sealed: str, key: str) -> None:
        try:
            token, _ = opened_proof(sealed, key)
        except AuthRefused:
            return
        with self._visitor() as (_, visitor):
            sign_out(visitor, token)

    @contextmanager
    def _visitor(self) -> Iterator[tuple[httpx.Client, SyncGoTrueClient]]:
        """Yield an HTTP client, and a client of Auth that uses it. No other call uses the two."""
        hooks = {"response": [require_success]}
        with httpx.Client(timeout=self._timeout, http2=False, follow_redirects=False, event_hooks=hooks) as http:
            yield (
                http,
                SyncGoTrueClient(
                    url=self._url,
                    headers={"apikey": self._key},
                    http_client=http,
                    auto_refresh_token=False,
                    persist_session=False,
                ),
            )


def sealed_proof(account: Account, token: str, factors: list[str]) -> CodeNeeded:
    """Return the access token and the ids of the factors, encrypted with a new key."""
    key = Fernet.generate_key()
    sealed = Fernet(key).encrypt(json.dumps({"token": token, "factors": factors}).encode())
    return CodeNeeded(account, sealed.decode(), key.decode())


def opened_proof(sealed: str, key: str) -> tuple[str, list[str]]:
    """Return the access token and the ids of the factors. Raises AuthRefused if the key does not fit."""
    try:
        proof = json.loads(Fernet(key.encode()).decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        raise refused("no_proof") from None
    return proof["token"], proof["factors"]


def sign_out(visitor: SyncGoTrueClient, token: str) -> None:
    """End the session. A failure is only logged, because the token is stored nowhere, or only encrypted."""
    try:
        visitor.admin.sign_out(token, "local")
    except UnsuccessfulResponse as response:
        if response.status != 204:  # a 204 is a success without a body
            log.warning("a session in Auth was left open", extra={"reason": str(response)})
    except AuthError as error:
        log.warning("a session in Auth was left open", extra={"reason": type(error).__name__})
