"""Subscribers: created, listed, enabled, disabled, removed, and given new secrets.

Every function raises Unavailable and DatabaseError. A function with a name raises EventNotFound if there is no such
subscriber. Secrets are returned only where they are made. `who` is the admin who acts, for the audit.
"""

import base64
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import uuid4

from webhook_service.errors import EventNotFound, NotPossible
from webhook_service.events import Json
from webhook_service.ledger.audit import attempt
from webhook_service.ports import Database
from webhook_service.subscribers.event_types import TEST, VERSION, EventType
from webhook_service.subscribers.sending import Answer, Resolve, completed, resolve_host, send_to
from webhook_service.subscribers.targets import check_permission, check_url

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
SECRET_BYTES = 32
SLICE_SIZE = 1000
"""The number of dead deliveries that are replayed in one transaction."""

MOST_SHOWN = 100


def new_secret() -> str:
    """Return a new secret, `whsec_<base64>`."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def target(name: str) -> str:
    """Return a subscriber as the object of an act, for the audit."""
    return f"subscriber:{name}"


def found(result: Json) -> Json:
    """Return the result of a call about a subscriber. Raises EventNotFound if there is no such subscriber."""
    if result is None or result is False:
        raise EventNotFound("subscriber_not_found", "There is no such subscriber.")
    return result


def create(
    database: Database,
    name: str,
    url: str,
    types: Sequence[EventType] = (),
    *,
    who: str,
    allow_private: bool = False,
    private_addresses: bool = False,
) -> str:
    """Create a subscriber of these types of events, or of all, and return its secret. Raises NotPossible."""
    if NAME.fullmatch(name) is None:
        raise NotPossible("bad_name", "A name has 1 to 63 lower-case letters, digits, '_' and '-'.")
    check_permission(allow_private=allow_private, private_addresses=private_addresses)
    check_url(url, allow_private=allow_private)
    secret = new_secret()
    arguments: dict[str, Json] = {"p_name": name, "p_url": url, "p_secret": secret, "p_allow_private": allow_private}
    arguments["p_types"] = [str(each) for each in types] or None
    with attempt(database, who, "create a subscriber", target(name), host=urlsplit(url).hostname):
        if not database.call("auth_sync_create_subscriber_v1", **arguments):
            raise NotPossible("name_taken", f"There is a subscriber {name} already.")
    return secret


def listed(database: Database) -> list[Json]:
    """Return all subscribers: see `auth_sync_subscribers_v1`."""
    return list(database.call("auth_sync_subscribers_v1"))


def shown(database: Database, name: str) -> Json:
    """Return a subscriber with its deliveries that are not done: see `auth_sync_subscriber_v1`."""
    is_name = NAME.fullmatch(name) is not None
    return found(database.call("auth_sync_subscriber_v1", p_name=name, p_limit=MOST_SHOWN) if is_name else None)


def enable(database: Database, name: str, *, who: str, is_enabled: bool) -> None:
    """Enable a subscriber, or disable it."""
    shown(database, name)
    with attempt(database, who, "enable a subscriber" if is_enabled else "disable a subscriber", target(name)):
        found(database.call("auth_sync_enable_subscriber_v1", p_name=name, p_is_enabled=is_enabled))


def rotate(database: Database, name: str, *, who: str) -> str:
    """Give a subscriber a new secret, and return it. The former one also signs for 24 hours."""
    shown(database, name)
    secret = new_secret()
    with attempt(database, who, "replace the secret of a subscriber", target(name)):
        found(database.call("auth_sync_rotate_subscriber_v1", p_name=name, p_secret=secret))
    return secret


def remove(database: Database, name: str, *, who: str) -> None:
    """Delete a subscriber and its deliveries."""
    shown(database, name)
    with attempt(database, who, "remove a subscriber", target(name)):
        found(database.call("auth_sync_delete_subscriber_v1", p_name=name))


def replay(database: Database, name: str, delivery: int | None = None, *, who: str) -> int:
    """Make all dead deliveries of a subscriber due again, or this delivery, and return their number."""
    shown(database, name)
    total = 0
    arguments: dict[str, Json] = {"p_name": name, "p_id": delivery, "p_limit": SLICE_SIZE}
    with attempt(database, who, "replay deliveries", target(name), delivery=delivery):
        while replayed := int(found(database.call("auth_sync_replay_deliveries_v1", **arguments))):
            total += replayed
            if delivery is not None:
                break
    return total


def try_out(
    database: Database, name: str, *, who: str, private_addresses: bool, now: datetime, resolve: Resolve = resolve_host
) -> Answer:
    """Send an event of the type `subscriber.test` at once, without the ledger, and return the answer."""
    described = found(database.call("auth_sync_subscriber_target_v1", p_name=name))
    data: dict[str, Json] = {"event_id": None, "employee_id": None, "auth_user_id": None, "changes": []}
    payload = {"type": TEST, "version": VERSION, "timestamp": now.isoformat(), "data": data}
    with attempt(database, who, "send a test event", target(name)) as act:
        webhook_id = f"test_{uuid4().hex}"
        answer = completed(
            send_to(described, webhook_id, payload, private_addresses=private_addresses, now=now, resolve=resolve)
        )
        act.outcome = answer.error
    return answer
