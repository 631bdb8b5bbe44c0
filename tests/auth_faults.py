"""The faults of the double of Supabase Auth (auth_server), and its record of calls."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.auth_factors import Challenges
from webhook_service.events import Json

PAGE = "<html><body><h1>Oh no</h1>jane@example.com</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one request. The request is not performed. If `committed`, it is performed and its response is lost.

    If `status` is 0, the connection is cut. If `silent`, the response never arrives.
    """

    status: int = 0
    code: str = ""
    """The code of an error of Auth."""
    body: str = ""
    """The body of a response that is not from Auth."""
    headers: tuple[tuple[str, str], ...] = ()
    committed: bool = False
    silent: bool = False

    def after_commit(self) -> "Fault":
        return replace(self, committed=True)


TIMED_OUT = Fault(504, "request_timeout")
BROKEN = Fault(500, body="upstream connect error: jane@example.com")
PAGE_500 = Fault(500, body=PAGE)
PAGE_OK = Fault(200, body=PAGE)
UNEXPECTED = Fault(500, "unexpected_failure")
CUT = Fault()
SILENT = Fault(silent=True)


def throttled(retry_after: str | None = None) -> Fault:
    return Fault(429, "over_request_rate_limit", headers=(("Retry-After", retry_after),) if retry_after else ())


def moved(location: str, status: int = 302) -> Fault:
    return Fault(status, body=PAGE, headers=(("Location", location),))


@dataclass(frozen=True, slots=True)
class Call:
    """A request that arrived. `path` is the part after /auth/v1. The body is without the password by default."""

    method: str
    path: str
    body: Mapping[str, Json]
    fault: Fault | None
    at: float
    """The time of arrival by the monotonic clock, in seconds."""


class AuthServer:
    """The double's settings and records. Tests may change them while the double runs.

    `fail` and `fail_next` request faults. `before` is called just before each performed call, and `after` between its
    commit and its response. Both run in the server's thread, and the call waits for their end.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        latency: float = 0.0,
        chances: Mapping[Fault, float] | None = None,
        seed: int = 0,
        keep_passwords: bool = False,
        hashes_passwords: bool = False,
        honours_id: bool = True,
        old_errors: bool = False,
    ) -> None:
        self.url = url
        """The value for SUPABASE_URL."""
        self.key = key
        self.latency = latency
        """The seconds that each call takes in addition to the database's work."""
        self.chances = chances or {}
        """The probability of each fault, from 0 to 1. The seed, the call and its number determine the fault."""
        self.seed = seed
        self.keep_passwords = keep_passwords
        self.hashes_passwords = hashes_passwords  # of new users, so that they can sign in, which takes 50 ms each
        self.honours_id = honours_id
        """False for an Auth that is too old to read the id of a new user from the request."""
        self.old_errors = old_errors
        """Whether errors have the form from before 2024, as when a proxy drops the header with the API version."""
        self.factors: list[Json] = []
        """The factors of a user who signs in by password (auth_factors)."""
        self.challenges = Challenges()
        self.autoconfirm = False
        """Whether sign-ups are confirmed at once."""
        self.during_sign_in: Callable[[], object] = lambda: None
        """Called between the check of the ban and the insert of the session. Auth hashes the password there."""
        self.before: Callable[[Call], None] | None = None
        self.after: Callable[[Call], None] | None = None
        self.over = threading.Event()
        """Set when the test is over."""
        self._calls: list[Call] = []
        self._times: Counter[tuple[str, str]] = Counter()
        self._next: list[tuple[str | None, str | None, Fault]] = []
        self._always: Fault | None = None
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """The calls with the right key, in the order of their arrival."""
        with self._lock:
            return list(self._calls)

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """The number of calls of this method, and of this path or a path below it."""
        return sum(fits(call.method, call.path, method, path) for call in self.calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def fail_next(self, *faults: Fault, method: str | None = None, path: str | None = None) -> None:
        """Let the next calls of this method, and of this path or a path below it, fail, one with each fault."""
        with self._lock:
            self._next += [(method, path, fault) for fault in faults]

    def fail(self, fault: Fault | None) -> None:
        """Let all calls fail from now on, or succeed if `fault` is None. Faults of `fail_next` take precedence."""
        with self._lock:
            self._always = fault

    def arrived(self, method: str, path: str, body: Mapping[str, Json]) -> Call:
        """Record a call, and choose its fault."""
        kept = {name: value for name, value in body.items() if name != "password" or self.keep_passwords}
        with self._lock:
            call = Call(method, path, kept, self._fault_for(method, path), time.monotonic())
            self._calls.append(call)
        return call

    def _fault_for(self, method: str, path: str) -> Fault | None:
        # The random numbers depend on the call and on its number, so the order of the threads does not matter.
        self._times[method, path] += 1
        roll = random.Random(f"{self.seed}:{method}:{path}:{self._times[method, path]}").random()
        for order in self._next:
            if fits(method, path, order[0], order[1]):
                self._next.remove(order)
                return order[2]
        if self._always is not None:
            return self._always
        for fault, chance in self.chances.items():
            if roll < chance:
                return fault
            roll -= chance
        return None


def fits(method: str, path: str, wanted_method: str | None, wanted_path: str | None) -> bool:
    return wanted_method in (None, method) and (wanted_path is None or f"{path}/".startswith(f"{wanted_path}/"))
