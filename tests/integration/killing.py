"""Processes that are killed, or whose calls are abandoned, between two steps. The steps are the calls to the ports."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from werkzeug.test import TestResponse

from tests.auth_faults import Call, fits
from tests.in_loop import CalledSoon
from tests.integration.hiring import JANE_DOE, Office, client_for
from webhook_service.events import Account, Json
from webhook_service.outbound import logins
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.logins import Hired
from webhook_service.ports import AuthAdmin, Database
from webhook_service.settings import Settings

T = TypeVar("T")


class Killed(BaseException):
    """Raised as if the process were killed. No code catches it, so that no more code runs, as after a SIGKILL."""


@dataclass(slots=True)
class Steps:
    """The moments before and after each call, in their order. The process is killed at moment `end`, counted from 0.

    `at` is {moment, by name or number: function to call once at that moment}.
    """

    end: int | None = None
    at: dict[str | int, Callable[[], object]] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.passed.append(name)
        number = len(self.passed) - 1
        if number == self.end:
            raise Killed
        for moment in (name, number):
            self.at.pop(moment, lambda: None)()

    def around(self, name: str, call: Callable[[], T]) -> T:
        self.step(f"before {name}")
        answer = call()
        self.step(f"after {name}")
        return answer


@dataclass(frozen=True, slots=True)
class SteppedDatabase(CalledSoon):
    """A database whose steps are named after the functions without prefix and suffix, such as intend, hire and settle.

    The check of the limit for the admin key and the entry in the audit, before the first step, and the result in the
    audit, after the last one, are no steps.
    """

    database: Database
    steps: Steps

    def call(self, function: str, **params: Json) -> Json:
        name = function.removeprefix("auth_sync_").removesuffix("_v1")
        if name in ("sign_in_wait", "audit", "audit_result"):
            return self.database.call(function, **params)
        return self.steps.around(name, lambda: self.database.call(function, **params))

    def close(self) -> None:
        self.database.close()


@dataclass(frozen=True, slots=True)
class SteppedAdmin:
    """An AuthAdmin whose steps are named after the methods."""

    admin: AuthAdmin
    steps: Steps

    def get(self, auth_user_id: UUID) -> Account | None:
        return self.steps.around("get", lambda: self.admin.get(auth_user_id))

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        return self.steps.around("create", lambda: self.admin.create(auth_user_id, email, password=password))

    def invite(self, email: str) -> None:
        self.steps.around("invite", lambda: self.admin.invite(email))

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        return self.steps.around("update", lambda: self.admin.update(auth_user_id, banned=banned, email=email))

    def delete(self, auth_user_id: UUID) -> None:
        self.steps.around("delete", lambda: self.admin.delete(auth_user_id))

    def close(self) -> None:
        self.admin.close()


class Held:
    """A hook of the double that blocks a call of this path or below it until `release`, after its caller has gone."""

    def __init__(self, path: str, method: str = "POST") -> None:
        self._path, self._method = path, method
        self._arrived, self._goes_on = threading.Event(), threading.Event()
        self._threads = ThreadPoolExecutor(1)
        self._calls: list[Future[object]] = []

    def __call__(self, call: Call) -> None:
        if fits(call.method, call.path, self._method, self._path):
            self._arrived.set()
            assert self._goes_on.wait(60)

    def leave(self, call: Callable[[], object], error: BaseException) -> None:
        """Send the call, and raise `error` as soon as the double has received it."""
        self._calls.append(self._threads.submit(call))
        self.wait()
        raise error

    def wait(self) -> None:
        """Wait until the double has received the call."""
        assert self._arrived.wait(60)

    def release(self) -> None:
        """Let the call continue, and wait for its end."""
        self._goes_on.set()
        for call in self._calls:
            call.exception()
        self._threads.shutdown()


@dataclass(frozen=True, slots=True)
class LeavingAdmin(SteppedAdmin):
    """An AuthAdmin whose caller abandons the calls of `method` with `error`, while `held` blocks them."""

    held: Held
    method: str
    error: BaseException

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        if self.method == "create":
            self.held.leave(lambda: self.admin.create(auth_user_id, email, password=password), self.error)
        return self.admin.create(auth_user_id, email, password=password)

    def invite(self, email: str) -> None:
        if self.method == "invite":
            self.held.leave(lambda: self.admin.invite(email), self.error)
        self.admin.invite(email)

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        if self.method == "update":
            self.held.leave(lambda: self.admin.update(auth_user_id, banned=banned, email=email), self.error)
        return self.admin.update(auth_user_id, banned=banned, email=email)


def stepped(accounts: Accounts, steps: Steps) -> Accounts:
    return replace(
        accounts,
        database=SteppedDatabase(accounts.database, steps),
        admin=SteppedAdmin(accounts.admin, steps),
    )


def request(hr: Office, settings: Settings, accounts: Accounts, **body: Json) -> TestResponse | None:
    """Request the creation of Jane Doe in a process with these accounts. Return None if the process was killed."""
    usual, hr.client = hr.client, client_for(settings, accounts)
    try:
        return hr.post(JANE_DOE | body)
    except Killed:
        return None
    finally:
        hr.client = usual


def give_login(accounts: Accounts, employee_id: int, email: str, *, invite: bool) -> Hired | None:
    """Create a login for an existing employee, as `provision` does. Return None if the process was killed."""
    try:
        return logins.hire(
            accounts, {"employee_id": employee_id}, email, via="provision", requested_by="test", invite=invite
        )
    except Killed:
        return None
