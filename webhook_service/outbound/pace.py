"""How fast a list is worked through at the Auth Admin API, beside the relays, and what is done about trouble."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import ceil
from uuid import uuid4

from webhook_service.errors import AuthThrottled, AuthUnavailable, Unavailable
from webhook_service.events import Json
from webhook_service.outbound.accounts import Accounts

FIRST_WAIT = 2
TRIES = 5
"""In a row, before whoever cannot be reached is given up. The waits between them, in seconds, double."""
MAX_PAUSES = 10
"""That Auth may ask for in a row, without one success in between."""
GROWN_PAUSE = 60
"""Seconds; a pause is longer than that only where Auth asks for it."""
WORTH_TELLING = 2
"""Seconds."""


class Stopped(Exception):
    """Somebody asked for an end."""


@dataclass(slots=True)
class Pace:
    """`wait` waits so many seconds, and says whether there shall be an end; `say` tells a person what it waits for."""

    accounts: Accounts
    wait: Callable[[float], bool]
    say: Callable[[str], object]
    has_waited: bool = False
    """for a while, so that what was read before may have changed"""
    _troubles: int = 0
    _pauses: int = 0

    def rest(self, seconds: float, because: str) -> None:
        """Raises Stopped."""
        if seconds >= WORTH_TELLING:
            self.say(f"{because}: waiting {ceil(seconds)} s")
            self.has_waited = True
        if self.wait(seconds):
            raise Stopped

    def call(self, function: str, **params: Json) -> Json:
        """Of the database, patiently. Raises Unavailable after some tries, DatabaseError, Stopped."""
        for tries in count(1):
            try:
                return self.accounts.database.call(function, **params)
            except Unavailable as error:
                self._wait_out(error, tries)
        raise AssertionError

    def take_token(self) -> None:
        """Waits until a call of Auth may be made. Raises as `call`."""
        self.rest(0, "")
        while (seconds := float(self.call("auth_sync_take_token_v1", p_rate=self.accounts.rate))) > 0:
            self.rest(seconds, "Auth asks for a pause, or others are at work")

    def pause(self, error: AuthThrottled) -> None:
        """For everybody: the next token comes after it. Raises the error where there are only pauses."""
        self._pauses += 1
        if self._pauses > MAX_PAUSES:
            raise error
        seconds = ceil(max(error.retry_after, min(GROWN_PAUSE, 2**self._pauses)))
        self.call("auth_sync_pause_v1", p_seconds=seconds, p_failed=False)
        self.has_waited = True

    def trouble(self, error: Unavailable | AuthUnavailable) -> None:
        """Waits, longer each time, until Auth answers again. Raises the error after some tries in a row, Stopped."""
        self._troubles += 1
        self._wait_out(error, self._troubles)
        self.until_auth_answers()

    def until_auth_answers(self) -> None:
        """Raises as `trouble`, and AuthRefused where Auth refuses the key."""
        while True:
            try:
                self.accounts.admin.get(uuid4())
            except AuthThrottled as error:
                self.pause(error)
                self.take_token()
            except AuthUnavailable as error:
                self._troubles += 1
                self._wait_out(error, self._troubles)
            else:
                return

    def goes_well(self) -> None:
        """What went wrong before is over."""
        self._troubles = self._pauses = 0

    def _wait_out(self, error: Unavailable | AuthUnavailable, tries: int) -> None:
        if tries >= TRIES:
            raise error
        self.rest(FIRST_WAIT * 2 ** (tries - 1), error.detail.rstrip("."))
