"""The double of Supabase Auth (auth_server) as tests see it: what shall go wrong, and what it was asked."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from webhook_service.events import Json

PAGE = "<html><body><h1>Oh no</h1>jane@example.com</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request: it is not carried out, or where `committed`, it is, and its answer is lost.

    A `status` of 0 is none at all: the connection is cut, or where `silent`, there is never an answer.
    """

    status: int = 0
    code: str = ""
    """of Auth's own errors"""
    body: str = ""
    """of answers that are not Auth's"""
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
    """A request that arrived. `path` is what follows /auth/v1; the body is without the password, unless asked for."""

    method: str
    path: str
    body: Mapping[str, Json]
    fault: Fault | None
    at: float
    """of the monotonic clock"""


class AuthServer:
    """The double as tests see it. All of it may be changed while it runs.

    `fail` and `fail_next` order what goes wrong. `before` and `after` are called with each call that is carried out:
    just before, and between commit and answer; they run in the server's thread, and the call waits for them.
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
        honours_id: bool = True,
        old_errors: bool = False,
    ) -> None:
        self.url = url
        """What SUPABASE_URL is."""
        self.key = key
        self.latency = latency
        """Seconds that each call takes, beside the database."""
        self.chances = chances or {}
        """How likely each fault is for each call, from 0 to 1; the same for the same seed, call and how often."""
        self.seed = seed
        self.keep_passwords = keep_passwords
        self.honours_id = honours_id
        """False for an Auth that is too old to take the id of a new user from the request."""
        self.old_errors = old_errors
        """Errors in the form from before 2024, as where something on the way drops the API version."""
        self.factors: list[Json] = []
        """Of whoever signs in by a password."""
        self.before: Callable[[Call], None] | None = None
        self.after: Callable[[Call], None] | None = None
        self.over = threading.Event()
        """That the test is."""
        self._calls: list[Call] = []
        self._times: Counter[tuple[str, str]] = Counter()
        self._next: list[tuple[str | None, str | None, Fault]] = []
        self._always: Fault | None = None
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Call]:
        """Those with the right key, in the order of their arrival."""
        with self._lock:
            return list(self._calls)

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """How many calls there were: of a method, and of a path or what is below it."""
        return sum(fits(call.method, call.path, method, path) for call in self.calls)

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def fail_next(self, *faults: Fault, method: str | None = None, path: str | None = None) -> None:
        """The next calls, of a method and of a path or below it where these are given, meet one fault each."""
        with self._lock:
            self._next += [(method, path, fault) for fault in faults]

    def fail(self, fault: Fault | None) -> None:
        """All calls from now on, until None is said; what `fail_next` has ordered comes first."""
        with self._lock:
            self._always = fault

    def arrived(self, method: str, path: str, body: Mapping[str, Json]) -> Call:
        """Records a call, with the fault that it meets."""
        kept = {name: value for name, value in body.items() if name != "password" or self.keep_passwords}
        with self._lock:
            call = Call(method, path, kept, self._fault_for(method, path), time.monotonic())
            self._calls.append(call)
        return call

    def _fault_for(self, method: str, path: str) -> Fault | None:
        # By what is called, and for how many times: whose thread comes first does not matter.
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
