"""The admin API for employees on a real database with the double of Auth, and checks of the results."""

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
from webhook_service.app import utc_now
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.events import Json
from webhook_service.log import JsonFormatter
from webhook_service.outbound.accounts import Accounts
from webhook_service.ports import AuthAdmin, Database
from webhook_service.settings import DirectConnection, Settings
from webhook_service.web import Wiring, errors
from webhook_service.web.api import employees

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}
EMAIL = "jane.doe@example.com"
JANE_DOE: dict[str, Json] = {
    "email": EMAIL,
    "first_name": "Jane",
    "last_name": "Doe",
    "employee_number": "E-17",
    "user_type_id": 3,
}
"""The fields of an employee."""

ROUNDS = 30
"""More passes than any test needs until nothing is open."""


@dataclass(slots=True)
class Office:
    """An admin who creates, activates and deactivates employees, and a relay that runs pass by pass."""

    client: FlaskClient
    auth: AuthServer
    database: Database
    connection: Connection
    relay: Accounts
    answers: list[TestResponse] = field(default_factory=list)

    def create(self, **body: Json) -> TestResponse:
        """Request the creation of Jane Doe. The fields of `body` replace or extend hers."""
        return self.post(JANE_DOE | body)

    def post(self, body: Json, **headers: str) -> TestResponse:
        """Post to the endpoint that creates employees. Bytes are sent unchanged."""
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

    def run_pass(self, *, events_first: bool = True) -> None:
        """Apply all due events, and run one pass of the relay for actions."""
        loops: list[Callable[[], object]] = [lambda: relay_all(self.database), lambda: self.relay.run_once("relay")]
        for loop in loops if events_first else reversed(loops):
            loop()

    def rest(self, *, events_first: bool = True) -> None:
        """End all leases, pauses and backoffs, and run passes until no row is open."""
        for _ in range(ROUNDS):
            end_leases(self.connection)
            make_due(self.connection)
            end_pause(self.connection)
            self.run_pass(events_first=events_first)
            if not (left := open_rows(self.connection)):
                return
        pytest.fail(f"rows are still open after {ROUNDS} passes: {left}")


def end_pause(connection: Connection) -> None:
    """End a pause of the relays, and fill the token bucket."""
    connection.execute("update auth_sync_rate set paused_until = now(), failures = 0, tokens = 1000")


def open_rows(connection: Connection) -> list[dict[str, Any]]:
    """Return the rows of the ledger that have not succeeded."""
    return connection.execute(
        "select event_id, status, outcome, error_message from integration_sync_log where status <> 'SUCCESS'"
    ).fetchall()


def intents(connection: Connection) -> list[tuple[str, str | None]]:
    """Return status and outcome of all intents, in their order."""
    found = connection.execute(
        "select status, outcome from integration_sync_log where operation = 'create_auth_user' order by id"
    ).fetchall()
    return [(row["status"], row["outcome"]) for row in found]


def pairs(connection: Connection) -> list[tuple[int | None, UUID | None]]:
    """Return (employee_id, auth user id) of all employees and auth users, with None for a missing half.

    Checks that no employee is an orphan.
    """
    assert connection.execute("select from employees where orphaned_at is not null").fetchall() == []
    found = connection.execute(
        "select e.employee_id, u.id from employees e full join auth.users u on u.id = e.auth_user_id order by 1, 2"
    ).fetchall()
    return [(row["employee_id"], row["id"]) for row in found]


def assert_nobody(connection: Connection) -> None:
    """Assert that there is neither an employee nor a login."""
    assert pairs(connection) == []


def assert_only(connection: Connection, answer: TestResponse) -> None:
    """Assert that the only employee and the only login are those of this response."""
    created = answer.get_json()
    assert pairs(connection) == [(created["employee_id"], UUID(created["auth_user_id"]))]


def sign_in_jane(made: Office, url: str, **columns: Json) -> int:
    """Create an employee with the login JANE, which has two sessions."""
    with auth_on(url) as auth:
        auth.admin_create(EMAIL, id=JANE)
        auth.sign_in(JANE)
        auth.sign_in(JANE)
    employee_id = hire(made.connection, EMAIL, **columns)
    made.rest()
    assert employee(made.connection, employee_id)["auth_user_id"] == JANE
    return employee_id


def access(made: Office, employee_id: int) -> tuple[bool, bool]:
    """Return whether the employee is active, and whether the login JANE is not banned."""
    is_active: bool = employee(made.connection, employee_id)["is_active"]
    return is_active, row(made.connection, JANE)["banned_until"] is None


def login_of(answer: TestResponse) -> tuple[str, str | None]:
    """Return status and reason of the login after a change of `is_active`.

    Checks that the response does not repeat the text of Auth's error.
    """
    assert answer.status_code == 200, answer.text
    assert CONFIDENTIAL not in answer.text
    login = answer.get_json()["login"]
    return login["status"], login.get("reason")


def reason_of(answer: TestResponse) -> tuple[int, str | None]:
    """Return the HTTP status and the reason."""
    return answer.status_code, answer.get_json().get("reason")


def client_for(settings: Settings, accounts: Accounts) -> FlaskClient:
    """Return a client of the admin API for employees, with the given Accounts."""
    app = Flask("webhook_service")
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    database = accounts.database
    wiring = Wiring(settings, database, accounts, utc_now)
    app.register_blueprint(employees.blueprint(wiring))
    errors.register(app)
    return app.test_client()


def accounts_over(database: Database, admin: AuthAdmin, settings: Settings) -> Accounts:
    """Return Accounts with a rate so high that no test waits for it."""
    return Accounts(database, admin, settings.policy.email_owner, 1000, utc_now)


@contextmanager
def office(
    settings: Settings, database: Database, connection: Connection, log: pytest.LogCaptureFixture, **options: Any
) -> Iterator[Office]:
    """Run an Office with an Auth server that has these options.

    At the end, checks that each password is only in the response that returned it to the admin.
    """
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
    """Return the passwords that Auth received."""
    return [call.body["password"] for call in server.calls if "password" in call.body]


def whole_database(connection: Connection) -> str:
    """Return every row of every table outside PostgreSQL's own schemas, as one text."""
    tables = connection.execute(
        "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^(pg_|information_schema$)'"
    ).fetchall()
    assert len(tables) >= 7
    rows = [connection.execute(f"select * from {table['name']}").fetchall() for table in tables]  # noqa: S608
    return json.dumps(rows, default=text_of, ensure_ascii=False)


def text_of(value: object) -> str:
    """Return a value as text. Bytes are decoded, because a webhook's body may contain a secret."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def whole_log(log: pytest.LogCaptureFixture) -> str:
    """Return every log record of the test in the service's and in logging's default format, and with its attributes."""
    ours, others = JsonFormatter(), logging.Formatter()
    records = [record for phase in ("setup", "call") for record in log.get_records(phase)]
    return "\n".join(f"{ours.format(each)}\n{others.format(each)}\n{vars(each)}" for each in records)


def assert_no_password_is_kept(made: Office, log: pytest.LogCaptureFixture) -> None:
    """Assert that no password is in the database or the log, and that each is in at most one response."""
    kept = whole_database(made.connection) + whole_log(log)
    bodies = [answer.get_data(as_text=True) + str(answer.headers) for answer in made.answers]
    for password in passwords(made.auth):
        assert password not in kept
        assert sum(password in body for body in bodies) <= 1
