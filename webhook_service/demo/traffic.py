"""Sample employees, and the demo's changes to them in Supabase Auth, HR and a directory. All people are made up."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

import psycopg
from psycopg import sql

from webhook_service.auth.stand_in import Auth
from webhook_service.auth.stand_in_users import auth_user
from webhook_service.demo.directory import Directory

EMPLOYEES = (
    ("Jane", "Doe", "jane.doe@example.com", "E-1001", True),
    ("Bob", "Stone", "bob.stone@example.com", "E-1002", True),
    ("Carla", "Reyes", "Carla.Reyes@Example.com", "E-1003", True),
    ("Dan", "Fields", "dan.fields@example.com", "E-1004", False),
    ("Erin", "Vale", "erin.vale@example.com", "E-1005", True),
    ("Sam", "Hill", "office@example.com", "E-1006", True),
    ("Kim", "Lake", "office@example.com", "E-1007", True),
)
"""(first name, last name, e-mail, employee number, is active)"""

NORA = ("Nora", "Field", "nora.field@example.com", "E-1008", True)
"""An employee who has a login before HR adds her."""

HIRE = """
insert into public.employees (first_name, last_name, email, employee_number, is_active) values (%s, %s, %s, %s, %s)
"""


def user_id(name: str) -> UUID:
    return uuid5(NAMESPACE_DNS, f"{name}.example.com")


@dataclass(frozen=True, slots=True)
class Stage:
    """The systems that the acts change. `hr` is HR's connection to the employees table."""

    auth: Auth
    hr: psycopg.Connection[Any]
    directory: Directory

    def hire(self, employee: tuple[str, str, str, str, bool]) -> None:
        self.hr.execute(HIRE, employee)

    def change(self, number: str, column: str, value: str | bool) -> None:
        """Change a column of the employee with this number."""
        statement = sql.SQL("update public.employees set {} = %s where employee_number = %s")
        self.hr.execute(statement.format(sql.Identifier(column)), [value, number])

    def create(self, name: str, email: str) -> None:
        """Create an auth user with a confirmed e-mail."""
        self.auth.admin_create(email, id=user_id(name))


@dataclass(frozen=True, slots=True)
class Act:
    """One change, and the expected outcome of its event or action, or None if the change causes no event."""

    says: str
    do: Callable[[Stage], object]
    expected: str | None

    @property
    def is_action(self) -> bool:
        """Return whether the act causes an action in Auth. The action may already have caused an event in turn."""
        return self.expected in ACTIONS


ACTIONS = ("email_updated", "disabled", "enabled")
"""The outcomes of actions in the demo. All others are of events."""

JANE, BOB, CARLA, ERIN = (user_id(name) for name in ("jane", "bob", "carla", "erin"))
A_DAY = datetime.now(UTC) + timedelta(days=1)

DAY = (
    Act("Jane signs up", lambda on: on.auth.sign_up("jane.doe@example.com", id=JANE), "unconfirmed"),
    Act("Jane confirms her e-mail", lambda on: on.auth.confirm(JANE), "linked"),
    Act("Jane signs in again", lambda on: on.auth.sign_in(JANE), None),
    Act("Jane changes her e-mail", lambda on: on.auth.change_email(JANE, "jane.smith@example.com"), "synced"),
    Act("Jane changes her name", lambda on: on.auth.update_metadata(JANE, {"last_name": "Smith"}), "synced"),
    Act("Jane is banned for a day", lambda on: on.auth.ban(JANE, A_DAY), "unchanged"),
    Act("Bob is created", lambda on: on.create("bob", "bob.stone@example.com"), "linked"),
    Act("Bob's auth user is deleted", lambda on: on.auth.hard_delete(BOB), "orphaned"),
    Act("Dan, inactive, is created", lambda on: on.create("dan", "dan.fields@example.com"), "linked"),
    Act("a shared address signs up", lambda on: on.create("office", "office@example.com"), "ambiguous"),
    Act("an anonymous sign-in", lambda on: on.auth.anonymous(), "ignored"),
    Act("Nora is created, unhired", lambda on: on.create("nora", "nora.field@example.com"), "unmatched"),
    Act("HR hires Nora", lambda on: on.hire(NORA), "linked"),
    Act("HR changes Nora's e-mail", lambda on: on.change("E-1008", "email", "nora@example.com"), "email_updated"),
    Act("HR dismisses Nora", lambda on: on.change("E-1008", "is_active", False), "disabled"),
    Act("HR takes Nora back", lambda on: on.change("E-1008", "is_active", True), "enabled"),
    Act("Okta deactivates Nora", lambda on: on.directory.deactivate("nora@example.com"), "disabled"),
)

OUTAGE = (
    Act("Carla is created", lambda on: on.create("carla", "carla.reyes@example.com"), "linked"),
    Act("Carla is soft-deleted", lambda on: on.auth.soft_delete(CARLA), "orphaned"),
    Act("Erin is created", lambda on: on.create("erin", "erin.vale@example.com"), "linked"),
    Act("Erin changes her name", lambda on: on.auth.update_metadata(ERIN, {"last_name": "Vale-Moss"}), "synced"),
    Act("HR dismisses Jane", lambda on: on.change("E-1001", "is_active", False), "disabled"),
)
"""The acts that happen after the server was killed and before its restart."""


@dataclass(frozen=True, slots=True)
class Post:
    """One request, and its expected outcome. If `tampered`, another body was signed than the one that is sent."""

    says: str
    payload: Any
    expected: str
    event_id: str | None = None
    tampered: bool = False


def posts(captured_event_id: str, captured_payload: Any) -> tuple[Post, ...]:
    """Return the HTTP requests: a captured event, an old event, and requests that must be refused."""
    erin = auth_user(str(ERIN)) | {"email": "erin.old@example.com", "updated_at": "2026-01-01T00:00:00+00:00"}
    stock = {"type": "UPDATE", "schema": "auth", "table": "users", "record": erin, "old_record": erin}
    return (
        Post("a webhook, relayed already", captured_payload, "duplicate", event_id=captured_event_id),
        Post("a webhook of last January", stock, "stale"),
        Post("a forged signature", stock, "wrong_signature", tampered=True),
        Post("a bad payload", stock | {"record": None}, "invalid_payload"),
    )


EXPECTED_EMPLOYEES = {
    "E-1001": ("Jane", "Smith", "jane.smith@example.com", "disabled", False),
    "E-1002": ("Bob", "Stone", "bob.stone@example.com", "orphaned", True),
    "E-1003": ("Carla", "Reyes", "Carla.Reyes@Example.com", "orphaned", True),
    "E-1004": ("Dan", "Fields", "dan.fields@example.com", "disabled", False),
    "E-1005": ("Erin", "Vale-Moss", "erin.vale@example.com", "linked", True),
    "E-1006": ("Sam", "Hill", "office@example.com", "none", True),
    "E-1007": ("Kim", "Lake", "office@example.com", "none", True),
    "E-1008": ("Nora", "Field", "nora@example.com", "disabled", False),
}
"""The expected employees after the demo: {number: (first name, last name, e-mail, state of the login, is active)}."""


def body_of(payload: Any) -> bytes:
    """Return the body that pg_net sends, which is `convert_to(body::text, 'UTF8')` of a jsonb."""
    return json.dumps(payload, ensure_ascii=False).encode()
