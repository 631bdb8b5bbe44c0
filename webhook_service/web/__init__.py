"""HTTP: each view translates and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from webhook_service.accounts import Accounts
from webhook_service.auth.passwords import CheckPassword
from webhook_service.metrics import Metrics
from webhook_service.ports import Database
from webhook_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the views work with; put together in `app`. `accounts` is None where there is no Auth Admin API, and
    `check_password` where there is no Auth to sign in to.
    """

    settings: Settings
    database: Database
    accounts: Accounts | None
    now: Callable[[], datetime]
    metrics: Metrics = field(default_factory=Metrics)
    check_password: CheckPassword | None = None


class Answer(NamedTuple):
    """An HTTP response, for Flask and for the event loop of `server` alike."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
