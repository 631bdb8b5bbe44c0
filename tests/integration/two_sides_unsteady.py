"""An Auth that fails at random, and a process that dies at random while it calls Auth."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import httpx

from tests.auth_faults import BROKEN, CUT, PAGE_500, SILENT, TIMED_OUT, Fault, throttled
from webhook_service.events import Account
from webhook_service.ports import AuthAdmin

T = TypeVar("T")

CHANCES: dict[Fault, float] = {
    TIMED_OUT: 0.04,
    TIMED_OUT.after_commit(): 0.04,
    throttled("1"): 0.03,
    CUT: 0.03,
    CUT.after_commit(): 0.03,
    BROKEN: 0.02,
    PAGE_500.after_commit(): 0.02,
    SILENT: 0.004,
    SILENT.after_commit(): 0.004,
}
TIMEOUT = httpx.Timeout(0.5)
"""The client's timeout, in seconds. It is short because Auth is on the same machine, and a silent Auth must not slow
the test.
"""


class Killed(BaseException):
    """Raised as if the process died."""


class Unsteady:
    """An AuthAdmin that calls `meanwhile` before and after each call. `meanwhile` may raise Killed."""

    def __init__(self, admin: AuthAdmin, meanwhile: Callable[[str], None]) -> None:
        self._admin = admin
        self._meanwhile = meanwhile

    def get(self, auth_user_id: UUID) -> Account | None:
        return self._called("get", lambda: self._admin.get(auth_user_id))

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        return self._called("create", lambda: self._admin.create(auth_user_id, email, password=password))

    def invite(self, email: str) -> None:
        self._called("invite", lambda: self._admin.invite(email))

    def update(self, auth_user_id: UUID, *, banned: bool | None = None, email: str | None = None) -> Account:
        return self._called("update", lambda: self._admin.update(auth_user_id, banned=banned, email=email))

    def delete(self, auth_user_id: UUID) -> None:
        self._called("delete", lambda: self._admin.delete(auth_user_id))

    def close(self) -> None:
        self._admin.close()

    def _called(self, name: str, call: Callable[[], T]) -> T:
        self._meanwhile(f"before {name}")
        answer = call()
        self._meanwhile(f"after {name}")
        return answer
