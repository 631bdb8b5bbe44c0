"""Capture, relay, reconciliation and doctor read only the mapped columns of auth.users."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from tests.integration.canaries import CANARY, SECRET_COLUMNS, contents, lines
from tests.integration.capturing import reconciled, relay
from tests.integration.doctoring import examined
from webhook_service.errors import ServiceError
from webhook_service.ports import Database

PERSON = "pErSoN"
"""Part of each address and name. It may be in the database, but not in a log line, a warning or a finding."""

EMAIL = f"{PERSON}@example.com"
METADATA = {
    "first_name": f"{PERSON}-first",
    "last_name": {"deep": f"{CANARY}-last-name"},
    "full_name": f"{CANARY}-full-name",
    "phone_number": f"{CANARY}-phone",
    f"{CANARY}-key": [{"deep": f"{CANARY}-deep"}],
}
APP_METADATA = {"employee_number": ["no", CANARY], "provider": CANARY, CANARY: 1}
COLUMNS = [column for column in SECRET_COLUMNS if column != "a_column_of_tomorrow"]


@dataclass
class Reported:
    """All texts that left the database and the service, except rows."""

    log: pytest.LogCaptureFixture
    notices: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        parts = (diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint, diagnostic.context)
        self.notices.append(" ".join(part for part in parts if part))

    def text(self) -> str:
        return "\n".join([lines(self.log), *self.notices, *self.findings])


@pytest.fixture
def reported(caplog: pytest.LogCaptureFixture) -> Reported:
    caplog.set_level(logging.DEBUG, "webhook_service")
    return Reported(caplog)


@pytest.fixture
def auth_connection(database_url: str, reported: Reported) -> Iterator[psycopg.Connection[Any]]:
    """Open Auth's connection, and record its notices."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.add_notice_handler(reported.note)
        yield connection


@pytest.fixture
def auth(auth_connection: psycopg.Connection[Any]) -> Auth:
    return Auth(auth_connection)


def spill(connection: Connection, user: UUID) -> None:
    """Write canaries into every unmapped column, together with a change that is captured."""
    columns = ", ".join(f"{column} = '{CANARY}-{column}'" for column in COLUMNS)
    connection.execute(f"update auth.users set {columns}, banned_until = now() where id = %s", [user])  # noqa: S608


def live(auth: Auth, connection: Connection) -> UUID:
    """Let a user sign up and change, with canaries wherever Auth or a user can write them."""
    user = auth.sign_up(EMAIL, user_metadata=METADATA)
    spill(connection, user)
    auth.confirm(user)
    auth.set_app_metadata(user, APP_METADATA)
    auth.update_metadata(user, METADATA | {"first_name": f"{PERSON}-other"})
    auth.change_email(user, f"new-{EMAIL}")
    spill(connection, user)
    return user


def assert_no_canary_leaked(connection: Connection, reported: Reported) -> None:
    """Assert that no canary is in a table or a reported text, and no address or name in a reported text."""
    assert CANARY.lower() not in contents(connection).lower()
    assert CANARY.lower() not in reported.text().lower()
    assert PERSON.lower() not in reported.text().lower()


@pytest.mark.parametrize("end", ["stays", "soft_delete", "hard_delete"])
def test_only_mapped_columns_leave_the_table(
    auth: Auth, connection: Connection, database: Database, reported: Reported, end: str
) -> None:
    """Hashes, tokens, phones and other metadata reach no table and no text, before and after the relay's run."""
    hire(connection, EMAIL)
    user = live(auth, connection)
    if end != "stays":
        getattr(auth, end)(user)
    assert_no_canary_leaked(connection, reported)
    assert relay(database) > 0
    reported.findings += map(str, examined(database))
    assert PERSON.lower() in contents(connection).lower()
    assert_no_canary_leaked(connection, reported)


def test_reconciliation_reads_only_mapped_columns(
    auth: Auth, connection: Connection, database: Database, reported: Reported
) -> None:
    """Reconciliation writes the same rows as the trigger, and its reports have no names."""
    hire(connection, EMAIL)
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    live(auth, connection)
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    reported.findings += [str(examined(database)), str(reconciled(database, dry_run=True)), str(reconciled(database))]
    assert connection.execute("select from integration_sync_log where via = 'reconcile'").fetchall() != []
    assert_no_canary_leaked(connection, reported)


RAISING = """
create function fail() returns trigger language plpgsql as $$ begin
  raise exception 'no: %', new using detail = new::text, hint = new::text;
end $$;
"""
FAILURES = {
    "ledger-refuses": "create trigger t before insert on integration_sync_log for each row execute function fail()",
    "ledger-constraint": "alter table integration_sync_log add constraint c check (request_data is null) not valid",
    "ledger-gone": "drop table integration_sync_log cascade",
    "settings-gone": "drop table auth_sync_settings cascade",
    "mapping-broken": "update auth_sync_settings set name_fields = '[1]'",
    "helper-gone": "drop function auth_sync_payload_v1",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_capture_warns_without_a_name(
    auth: Auth, connection: Connection, reported: Reported, failure: str
) -> None:
    """If capture fails, the sign-up succeeds. The warning has the user's id and an SQLSTATE, but no other value."""
    connection.execute(RAISING + FAILURES[failure])
    user = live(auth, connection)
    auth.hard_delete(user)
    warnings = [notice for notice in reported.notices if "was not captured" in notice]
    assert len(warnings) >= 3
    assert [notice for notice in warnings if str(user) not in notice] == []
    assert CANARY.lower() not in reported.text().lower()
    assert PERSON.lower() not in reported.text().lower()


def test_a_post_that_fails_warns_without_a_name(auth: Auth, connection: Connection, reported: Reported) -> None:
    """If an event cannot be signed, the warning contains only its event id."""
    connection.execute("update auth_sync_settings set webhook_url = 'https://sync.example.com/'")
    live(auth, connection)
    assert [notice for notice in reported.notices if "was not posted" in notice] != []
    assert_no_canary_leaked(connection, reported)


LEDGER_REFUSES = "create trigger t before update on integration_sync_log for each row execute function fail()"
EMPLOYEES_REFUSE = "create trigger t before update on employees for each row execute function fail()"


def test_a_failed_event_is_reported_without_a_name(
    auth: Auth, connection: Connection, database: Database, reported: Reported
) -> None:
    """The relay's log line of a refused event has ids and a reason. The error's text stays in the database."""
    hire(connection, EMAIL)
    connection.execute(RAISING + EMPLOYEES_REFUSE)
    live(auth, connection)
    relay(database)
    reported.findings += map(str, examined(database))
    assert [record for record in reported.log.records if record.getMessage() == "not applied"] != []
    assert_no_canary_leaked(connection, reported)


def test_an_import_that_fails_to_link_warns_without_a_name(
    auth: Auth, connection: Connection, database: Database, reported: Reported
) -> None:
    """The warning about a failed link in an import has an SQLSTATE, but no values of the rows."""
    live(auth, connection)
    relay(database)
    connection.add_notice_handler(reported.note)
    connection.execute(RAISING + EMPLOYEES_REFUSE)
    hire(connection, f"new-{EMAIL}")
    assert [notice for notice in reported.notices if "could not be linked" in notice] != []
    assert_no_canary_leaked(connection, reported)


def test_a_failing_relay_reports_no_name(
    auth: Auth, connection: Connection, database: Database, reported: Reported
) -> None:
    """If the database refuses a call of the relay or of reconcile, the error has a reason and an SQLSTATE only."""
    live(auth, connection)
    connection.execute(RAISING + LEDGER_REFUSES)
    for use in (relay, reconciled):
        with pytest.raises(ServiceError) as caught:
            use(database)
        reported.findings += [str(caught.value), repr(caught.value), caught.value.detail]
    assert_no_canary_leaked(connection, reported)
