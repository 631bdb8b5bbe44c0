"""The HTTP interface. A view only translates between HTTP and the other packages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from webhook_service.auth.passwords import Passwords
from webhook_service.metrics.counters import Metrics
from webhook_service.outbound.accounts import Accounts
from webhook_service.ports import Database
from webhook_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Wiring:
    """The objects that the views use. `app` creates them.

    `accounts` is None if no Auth Admin API is configured. `passwords` is None if admins cannot sign in with Auth.
    `now()` returns the current time in UTC.
    """

    settings: Settings
    database: Database
    accounts: Accounts | None
    now: Callable[[], datetime]
    metrics: Metrics = field(default_factory=Metrics)
    passwords: Passwords | None = None


class Answer(NamedTuple):
    """An HTTP response, for Flask and for the event loop in `server.asgi`."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
