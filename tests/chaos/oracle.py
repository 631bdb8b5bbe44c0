"""The expected employees, computed in Python from only the hires and the commits to auth.users."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Row = dict[str, Any]
NAMES = ("first_name", "last_name")


@dataclass(slots=True)
class Employee:
    """An expected employee. `email` is in lower case."""

    email: str
    first_name: str | None
    last_name: str | None
    auth_user_id: UUID | None = None
    orphaned_auth_user_id: UUID | None = None


@dataclass(slots=True)
class User:
    """An auth user. `carried` has the last value of each field that is copied to an employee."""

    email: str | None = None
    is_confirmed: bool = False
    is_gone: bool = False
    carried: dict[str, str] = field(default_factory=dict)
    employee: Employee | None = None


class Oracle:
    """Processes new hires and commits in order.

    No two users may ever have the same e-mail. An employee may be hired at any time, but not with a former e-mail of
    its auth user. Under these conditions, the time of the hire does not matter.
    """

    def __init__(self) -> None:
        self.employees: dict[int, Employee] = {}
        self.users: dict[UUID, User] = {}
        self._by_email: dict[str, list[Employee]] = {}
        self._holders: dict[str, User] = {}
        """Live users by confirmed e-mail."""

    def hire(self, hires: Iterable[Row]) -> None:
        for hired in hires:
            employee = Employee(hired["email"].lower(), hired["first_name"], hired["last_name"])
            self.employees[hired["employee_id"]] = employee
            self._by_email.setdefault(employee.email, []).append(employee)
        for hired in hires:
            if (holder := self._holders.get(hired["email"].lower())) is not None:
                self._link(holder)

    def commit(self, history: Iterable[Row]) -> None:
        """Process rows of chaos.history, the oldest first."""
        last: dict[tuple[int, UUID], Row] = {}
        for row in history:
            key = (row["xid"], row["auth_user_id"])
            last.pop(key, None)
            last[key] = row
        for row in last.values():
            self._committed(row)

    def _committed(self, row: Row) -> None:
        user = self.users.setdefault(row["auth_user_id"], User())
        if user.is_confirmed and user.email is not None:
            self._holders.pop(user.email, None)
        if row["is_deleted"]:
            user.is_gone, user.is_confirmed = True, False
            if user.employee is not None:
                user.employee.orphaned_auth_user_id, user.employee.auth_user_id = user.employee.auth_user_id, None
                user.employee = None
            return
        if row["is_anonymous"]:
            return
        user.email, user.is_confirmed = row["email"], row["is_confirmed"]
        user.carried |= {name: row["metadata"][name] for name in NAMES if name in row["metadata"]}
        if user.is_confirmed and user.email is not None:
            user.carried["email"] = user.email
            self._holders[user.email] = user
        if user.employee is None:
            self._link(user, row["auth_user_id"])
        else:
            self._copy(user, user.employee)

    def _link(self, user: User, auth_user_id: UUID | None = None) -> None:
        if user.employee is not None or not user.is_confirmed or user.email is None:
            return
        free = [e for e in self._by_email.get(user.email, []) if e.auth_user_id is None]
        if len(free) == 1:
            user.employee = free[0]
            free[0].auth_user_id = auth_user_id or next(id for id, known in self.users.items() if known is user)
            free[0].orphaned_auth_user_id = None
            self._copy(user, free[0])

    def _copy(self, user: User, employee: Employee) -> None:
        self._by_email[employee.email].remove(employee)
        for column, value in user.carried.items():
            setattr(employee, column, value)
        self._by_email.setdefault(employee.email, []).append(employee)

    def differences(self, employees: Iterable[Row]) -> list[str]:
        """Describe the differences to the expected employees, in readable lines. `employees` is the whole table."""
        found = {row["employee_id"]: row for row in employees}
        wrong = [f"employee {key} is missing" for key in self.employees.keys() - found.keys()]
        wrong += [f"employee {key} was never hired" for key in found.keys() - self.employees.keys()]
        for key in sorted(self.employees.keys() & found.keys()):
            expected = self.employees[key]
            for column in Employee.__slots__:
                is_now, must_be = found[key][column], getattr(expected, column)
                if (is_now.lower() if column == "email" else is_now) != must_be:
                    wrong.append(f"employee {key}: {column} is {is_now}, must be {must_be}")
        return wrong
