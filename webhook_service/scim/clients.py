"""The directories that may use SCIM, and their tokens.

A token has 256 random bits, so a plain SHA-256 of it is enough: nobody can guess a token from its hash.
"""

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from webhook_service.errors import BadSetting
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.values import Client

PREFIX = "scim_"
"""The beginning of each token, by which scanners of secrets find it."""

NAME = re.compile("[a-z0-9][a-z0-9._-]{0,62}")
TOKEN = re.compile(PREFIX + "[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Created:
    """A new token. The text is shown once, because only its hash is stored."""

    token_id: int
    client: Client
    token: str = field(repr=False)


def create_token(database: Database, name: str, *, requested_by: str) -> Created:
    """Create a token of a directory. The first token of a name creates the directory.

    Raises BadSetting for a name with other characters than lower-case letters, digits and `._-`. Raises Unavailable,
    DatabaseError.
    """
    if NAME.fullmatch(name) is None:
        raise BadSetting("--name", "must be 1 to 63 lower-case letters, digits and . _ -, such as okta")
    token = PREFIX + secrets.token_urlsafe(32)
    made = database.call(
        "auth_sync_scim_create_token_v1", p_name=name, p_hash=hash_of(token), p_requested_by=requested_by
    )
    return Created(made["token_id"], Client(made["client_id"], made["name"]), token)


def tokens(database: Database) -> list[Json]:
    """Return all tokens, also revoked ones, oldest first.

    Each is {"token_id", "client_id", "name", "created_by", "created_at", "last_used_at", "revoked_at", "revoked_by"}.
    """
    found: list[Json] = database.call("auth_sync_scim_tokens_v1")
    return found


def revoke(database: Database, *, token_id: int | None = None, name: str | None = None, requested_by: str) -> int:
    """Revoke a token, or all tokens of a directory. Return the number of tokens that were valid.

    A directory without a valid token manages nobody. A new token of the same name continues with its people.
    """
    count: int = database.call(
        "auth_sync_scim_revoke_v1", p_token_id=token_id, p_name=name, p_requested_by=requested_by
    )
    return count


def client_of(database: Database, token: str) -> Client | None:
    """Return the directory that has this token, or None. Raises Unavailable, DatabaseError."""
    if TOKEN.fullmatch(token) is None:
        return None
    found = database.call("auth_sync_scim_client_v1", p_hash=hash_of(token))
    return Client(found["client_id"], found["name"]) if found is not None else None


def admit(database: Database, token: str, rate: int) -> tuple[Client | None, float]:
    """Do the same as `client_of` and `spend` for one request, in one call. Return the directory and the wait."""
    if TOKEN.fullmatch(token) is None:
        return None, 0
    found = database.call("auth_sync_scim_admit_v1", p_hash=hash_of(token), p_rate=rate)
    return (Client(found["client_id"], found["name"]), float(found["wait"])) if found is not None else (None, 0)


def spend(database: Database, client: Client, requests: int, rate: int) -> float:
    """Count requests of a directory against its rate (SCIM_RATE, requests a minute), for all processes together.

    Returns 0, or the seconds to wait if the requests are not allowed yet. Then nothing was counted.
    """
    wait: float = database.call(
        "auth_sync_scim_spend_v1", p_client_id=client.client_id, p_requests=requests, p_rate=rate
    )
    return float(wait)


def hash_of(token: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal digits."""
    return sha256(token.encode()).hexdigest()
