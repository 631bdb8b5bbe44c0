"""The admin API on employees, on a real database, with the double of Auth behind it; and what came of it."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.auth_faults import AuthServer
from tests.auth_server import CONFIDENTIAL, auth_server
from tests.auth_traffic import JANE
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, employee, hire
from tests.integration.auth_admins import row
from tests.integration.captured import end_leases, make_due, relay_all
from tests.integration.capturing import auth_on
from webhook_service.accounts import Accounts
from webhook_service.app import utc_now
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.events import Json
from webhook_service.log import JsonFormatter
from webhook_service.ports import AuthAdmin, Database
from webhook_service.settings import DirectConnection, Settings
from webhook_service.web import Wiring, employees, errors

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}
EMAIL = "jane.doe@example.com"
JANE_DOE: dict[str, Json] = {
    "email": EMAIL,
    "first_name": "Jane",
    "last_name": "Doe",
    "employee_number": "E-17",
    "user_type_id": 3,
}
"""The fields that everybody has."""

ROUNDS = 30
"""More than anything here needs to come to rest."""


@dataclass(slots=True)
class Office:
    """Whoever creates employees and switches them on and off, and the relay, which is looked at step by step."""

    client: FlaskClient
    auth: AuthServer
    database: Database
    connection: Connection
    relay: Accounts
    answers: list[TestResponse] = field(default_factory=list)

    def create(self, **body: Json) -> TestResponse:
        """Jane Doe, but for what is said."""
        return self.post(JANE_DOE | body)

    def post(self, body: Json, **headers: str) -> TestResponse:
        """To where employees are created; bytes are sent as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._kept(self.client.post("/admin/api/employees", data=sent, headers=AUTHORIZED | headers))

    def switch(self, employee_id: int, is_active: bool) -> TestResponse:
        return self.patch(employee_id, {"is_active": is_active})

    def patch(self, employee_id: int, body: Json, **headers: str) -> TestResponse:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.client.patch(f"/admin/api/employees/{employee_id}", data=sent, headers=AUTHORIZED | headers)
        return self._kept(answer)

    def _kept(self, answer: TestResponse) -> TestResponse:
        self.answers.append(answer)
        return answer

    def look(self, *, events_first: bool = True) -> None:
        """One look of the relay, at the events and at the actions that are due."""
        looks: list[Callable[[], object]] = [lambda: relay_all(self.database), lambda: self.relay.run_once("relay")]
        for look in looks if events_first else reversed(looks):
            look()

    def rest(self, *, events_first: bool = True) -> None:
        """The relay looks until nothing is open any more: the time of all leases, pauses and attempts is over."""
        for _ in range(ROUNDS):
            end_leases(self.connection)
            make_due(self.connection)
            end_pause(self.connection)
            self.look(events_first=events_first)
            if not (left := open_rows(self.connection)):
                return
        pytest.fail(f"it does not come to rest: {left}")


def end_pause(connection: Connection) -> None:
    """As if nobody had called Auth for a while."""
    connection.execute("update auth_sync_rate set paused_until = now(), failures = 0, tokens = 1000")


def open_rows(connection: Connection) -> list[dict[str, Any]]:
    """Of the ledger: what is still to be done."""
    return connection.execute(
        "select event_id, status, outcome, error_message from integration_sync_log where status <> 'SUCCESS'"
    ).fetchall()


def intents(connection: Connection) -> list[tuple[str, str | None]]:
    """Status and outcome of all creations, in their order."""
    found = connection.execute(
        "select status, outcome from integration_sync_log where operation = 'create_auth_user' order by id"
    ).fetchall()
    return [(row["status"], row["outcome"]) for row in found]


def pairs(connection: Connection) -> list[tuple[int | None, UUID | None]]:
    """Employees with their auth users, as far as both are there; a half that has no other stands alone. No employee is
    left as an orphan.
    """
    assert connection.execute("select from employees where orphaned_at is not null").fetchall() == []
    found = connection.execute(
        "select e.employee_id, u.id from employees e full join auth.users u on u.id = e.auth_user_id order by 1, 2"
    ).fetchall()
    return [(row["employee_id"], row["id"]) for row in found]


def assert_nobody(connection: Connection) -> None:
    """Neither an employee nor a login."""
    assert pairs(connection) == []


def assert_only(connection: Connection, answer: TestResponse) -> None:
    """Just the employee with the login that this answer tells of."""
    created = answer.get_json()
    assert pairs(connection) == [(created["employee_id"], UUID(created["auth_user_id"]))]


def sign_in_jane(made: Office, url: str, **columns: Json) -> int:
    """An employee with the login JANE, whose user has signed in twice."""
    with auth_on(url) as auth:
        auth.admin_create(EMAIL, id=JANE)
        auth.sign_in(JANE)
        auth.sign_in(JANE)
    employee_id = hire(made.connection, EMAIL, **columns)
    made.rest()
    assert employee(made.connection, employee_id)["auth_user_id"] == JANE
    return employee_id


def access(made: Office, employee_id: int) -> tuple[bool, bool]:
    """Whether the employee is active, and whether the login JANE is open."""
    is_active: bool = employee(made.connection, employee_id)["is_active"]
    return is_active, row(made.connection, JANE)["banned_until"] is None


def login_of(answer: TestResponse) -> tuple[str, str | None]:
    """How the login is after a switch, and why. Auth's own words are not repeated."""
    assert answer.status_code == 200, answer.text
    assert CONFIDENTIAL not in answer.text
    login = answer.get_json()["login"]
    return login["status"], login.get("reason")


def reason_of(answer: TestResponse) -> tuple[int, str | None]:
    """The status, and why."""
    return answer.status_code, answer.get_json().get("reason")


def client_for(settings: Settings, accounts: Accounts) -> FlaskClient:
    """The admin API on employees alone, over an Auth Admin of the test's own."""
    app = Flask("webhook_service")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    database = accounts.database
    wiring = Wiring(settings, database, accounts, utc_now)
    app.register_blueprint(employees.blueprint(wiring))
    errors.register(app)
    return app.test_client()


def accounts_over(database: Database, admin: AuthAdmin, settings: Settings) -> Accounts:
    """At a rate that nobody notices."""
    return Accounts(database, admin, settings.policy.email_owner, 1000, utc_now)


@contextmanager
def office(
    settings: Settings, database: Database, connection: Connection, log: pytest.LogCaptureFixture, **options: Any
) -> Iterator[Office]:
    """In business, over an Auth with these options. At the end no password is anywhere but in the answer it was for."""
    log.set_level(logging.DEBUG)
    assert isinstance(settings.connection, DirectConnection)
    with (
        auth_server(settings.connection.url, keep_passwords=True, **options) as server,
        closing(SupabaseAuthAdmin(server.url, server.key)) as admin,
    ):
        accounts = accounts_over(database, admin, settings)
        made = Office(client_for(settings, accounts), server, database, connection, accounts)
        yield made
        assert_no_password_is_kept(made, log)


def passwords(server: AuthServer) -> list[str]:
    """Those that Auth was told."""
    return [call.body["password"] for call in server.calls if "password" in call.body]


def whole_database(connection: Connection) -> str:
    """Every row of every table that is not PostgreSQL's own, as one text."""
    tables = connection.execute(
        "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^(pg_|information_schema$)'"
    ).fetchall()
    assert len(tables) >= 7
    rows = [connection.execute(f"select * from {table['name']}").fetchall() for table in tables]  # noqa: S608
    return json.dumps(rows, default=text_of, ensure_ascii=False)


def text_of(value: object) -> str:
    """Bytes may be a text too: a webhook's body."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def whole_log(log: pytest.LogCaptureFixture) -> str:
    """Every record of the test, of every logger: as we write it, as others would, and all that is in it."""
    ours, others = JsonFormatter(), logging.Formatter()
    records = [record for phase in ("setup", "call") for record in log.get_records(phase)]
    return "\n".join(f"{ours.format(each)}\n{others.format(each)}\n{vars(each)}" for each in records)


def assert_no_password_is_kept(made: Office, log: pytest.LogCaptureFixture) -> None:
    """Neither in the database nor in the log; nor in any answer, but once in the one that is for it."""
    kept = whole_database(made.connection) + whole_log(log)
    bodies = [answer.get_data(as_text=True) + str(answer.headers) for answer in made.answers]
    for password in passwords(made.auth):
        assert password not in kept
        assert sum(password in body for body in bodies) <= 1
