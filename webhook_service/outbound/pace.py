"""Limits a run's calls to the Auth Admin API to the rate that it shares with the relays, and waits during outages."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import ceil
from uuid import uuid4

from webhook_service.errors import AuthThrottled, AuthUnavailable, Unavailable
from webhook_service.events import Json
from webhook_service.outbound.accounts import Accounts

FIRST_WAIT_SECONDS = 2
"""The wait after the first failed attempt. It doubles with each attempt."""
MAX_ATTEMPTS = 5
"""The number of consecutive failed attempts after which the error is raised."""
MAX_PAUSES = 10
"""The number of pauses that Auth may request without a success in between."""
MAX_OWN_PAUSE_SECONDS = 60
"""The longest pause, unless Auth requests a longer one."""
MIN_ANNOUNCED_SECONDS = 2
"""Shorter waits are not announced."""


class Stopped(Exception):
    """A signal has requested that the run ends."""


@dataclass(slots=True)
class Pace:
    """The pace of one run.

    `wait` waits for a number of seconds and returns whether the run must end. `say` shows a person a message.
    """

    accounts: Accounts
    wait: Callable[[float], bool]
    say: Callable[[str], object]
    has_waited: bool = False
    """Whether the run has waited long enough that data that it read before may have changed."""
    _failures: int = 0
    _pauses: int = 0

    def rest(self, seconds: float, because: str) -> None:
        """Wait, and show a person the reason. Raises Stopped."""
        if seconds >= MIN_ANNOUNCED_SECONDS:
            self.say(f"{because}: waiting {ceil(seconds)} s")
            self.has_waited = True
        if self.wait(seconds):
            raise Stopped

    def call(self, function: str, **params: Json) -> Json:
        """Call the database, with retries.

        Raises Unavailable after MAX_ATTEMPTS attempts, DatabaseError, Stopped.
        """
        for attempt in count(1):
            try:
                return self.accounts.database.call(function, **params)
            except Unavailable as error:
                self._back_off(error, attempt)
        raise AssertionError

    def take_token(self) -> None:
        """Wait until the rate limit allows a call to Auth. Raises the errors of `call`."""
        self.rest(0, "")
        while (seconds := float(self.call("auth_sync_take_token_v1", p_rate=self.accounts.rate))) > 0:
            self.rest(seconds, "Auth requests a pause, or relays use the rate")

    def pause(self, error: AuthThrottled) -> None:
        """Pause the calls of all relays and runs. The database issues the next token after the pause.

        Raises `error` after MAX_PAUSES consecutive pauses, and the errors of `call`.
        """
        self._pauses += 1
        if self._pauses > MAX_PAUSES:
            raise error
        seconds = ceil(max(error.retry_after, min(MAX_OWN_PAUSE_SECONDS, 2**self._pauses)))
        self.call("auth_sync_pause_v1", p_seconds=seconds, p_failed=False)
        self.has_waited = True

    def wait_out(self, error: Unavailable | AuthUnavailable) -> None:
        """Wait until Auth responds again. The wait doubles with each failure.

        Raises `error` after MAX_ATTEMPTS consecutive failures, and the errors of `until_auth_answers`.
        """
        self._failures += 1
        self._back_off(error, self._failures)
        self.until_auth_answers()

    def until_auth_answers(self) -> None:
        """Wait until Auth responds.

        Raises AuthUnavailable after MAX_ATTEMPTS consecutive failures, AuthRefused if Auth refuses the key, Stopped.
        """
        while True:
            try:
                self.accounts.admin.get(uuid4())
            except AuthThrottled as error:
                self.pause(error)
                self.take_token()
            except AuthUnavailable as error:
                self._failures += 1
                self._back_off(error, self._failures)
            else:
                return

    def succeeded(self) -> None:
        """Reset the counts of failures and pauses after a success."""
        self._failures = self._pauses = 0

    def _back_off(self, error: Unavailable | AuthUnavailable, attempt: int) -> None:
        if attempt >= MAX_ATTEMPTS:
            raise error
        self.rest(FIRST_WAIT_SECONDS * 2 ** (attempt - 1), error.detail.rstrip("."))
