"""While Auth confirms e-mails without proof, an e-mail links no auth user."""

from contextlib import closing

import pytest
from flask.testing import FlaskClient

from tests.auth_faults import CUT, PAGE_OK
from tests.auth_server import auth_server
from tests.auth_stand_in import Auth
from tests.auth_traffic import CONFIRMED, post, update
from tests.employees import Connection, employee, hire
from tests.integration.captured import relay_all
from tests.integration.capturing import reconciled
from tests.ports import free_port
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.doctor import auth_checks
from webhook_service.doctor.findings import Level
from webhook_service.errors import AuthUnavailable
from webhook_service.outbound.unproven_emails import run_once
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

JANE = "jane@example.com"
ALLOWED = Policy(link_unproven_emails=True)


def note(database: Database, autoconfirm: bool | None, *, is_allowed: bool = False) -> None:
    database.call("auth_sync_note_autoconfirm_v1", p_autoconfirm=autoconfirm, p_link_unproven=is_allowed)


@pytest.mark.parametrize("first", ["employee", "auth user"])
@pytest.mark.parametrize("known", [None, False, True])
@pytest.mark.parametrize("is_allowed", [True, False])
def test_an_unproven_e_mail_links_nobody(
    connection: Connection, database: Database, auth: Auth, first: str, known: bool | None, is_allowed: bool
) -> None:
    """A relay, a trigger and reconcile link by e-mail unless Auth is known to confirm without proof."""
    note(database, known, is_allowed=is_allowed)
    hired = hire(connection, JANE, first_name="Jane") if first == "employee" else None
    user = auth.admin_create(JANE, user_metadata={"first_name": "Mallory"})
    relay_all(database)
    if hired is None:
        hired = hire(connection, JANE, first_name="Jane")
        relay_all(database)
    auth.update_metadata(user, {"last_name": "Doe"})
    relay_all(database)
    may_link = is_allowed or not known
    assert reconciled(database).differences == {}
    assert (employee(connection, hired)["auth_user_id"] == user) is may_link
    assert (employee(connection, hired)["first_name"] == "Mallory") is may_link
    note(database, False)
    assert reconciled(database).differences == ({} if may_link else {"missing_link": 1})
    assert employee(connection, hired)["auth_user_id"] == user


def test_a_delivery_with_an_unproven_e_mail_is_unconfirmed(
    client: FlaskClient, connection: Connection, database: Database
) -> None:
    """The webhook's fast path does not link an unproven e-mail either, and still syncs a linked employee."""
    note(database, True)
    hired = hire(connection, JANE)
    event = update(email=JANE, email_confirmed_at=CONFIRMED)
    assert post(client, event).get_json()["outcome"] == "unconfirmed"
    connection.execute("update employees set auth_user_id = %s", [event["record"]["id"]])
    named = update(at=9, email=JANE, email_confirmed_at=CONFIRMED, raw_user_meta_data={"first_name": "Jane"})
    assert post(client, named).get_json()["outcome"] == "synced"
    assert employee(connection, hired)["first_name"] == "Jane"


@pytest.mark.parametrize("first", ["employee", "auth user"])
def test_an_employee_number_links(connection: Connection, database: Database, auth: Auth, first: str) -> None:
    """An employee number links an auth user even if e-mails are unproven."""
    note(database, True)
    if first == "employee":
        hire(connection, JANE, employee_number="E-1")
    user = auth.admin_create(JANE, app_metadata={"employee_number": "E-1"})
    relay_all(database)
    if first != "employee":
        hire(connection, JANE, employee_number="E-1")
    [jane] = connection.execute("select auth_user_id from employees").fetchall()
    assert jane["auth_user_id"] == user


def test_the_last_known_setting_is_kept(database_url: str, connection: Connection, database: Database) -> None:
    """The service stores Auth's setting. If Auth cannot be read, the database keeps the last known setting."""
    stored = "select autoconfirm, link_unproven from auth_sync_settings"
    with auth_server(database_url) as server, closing(SupabaseAuthAdmin(server.url, server.key)) as admin:
        for fault in (None, CUT, PAGE_OK):
            server.autoconfirm = fault is None
            if fault is not None:
                server.fail_next(fault)
            run_once(database, admin, Policy())
            assert connection.execute(stored).fetchall() == [{"autoconfirm": True, "link_unproven": False}]
        run_once(database, admin, ALLOWED)
    run_once(database, None, ALLOWED)
    assert connection.execute(stored).fetchall() == [{"autoconfirm": False, "link_unproven": True}]


def test_unreadable_settings_are_an_outage() -> None:
    """An Auth that does not answer raises AuthUnavailable."""
    with (
        closing(SupabaseAuthAdmin(f"http://127.0.0.1:{free_port()}", "sb_secret_x")) as admin,
        pytest.raises(AuthUnavailable),
    ):
        admin.confirms_without_proof()


def test_doctor_reports_the_setting(database_url: str, database: Database) -> None:
    """Doctor compares Auth's setting with the database's, and warns of unproven e-mails and of an unknown setting."""

    def found(policy: Policy) -> tuple[Level, str]:
        facts = database.call("auth_sync_inspect_v1")
        [finding] = auth_checks.autoconfirm(admin, facts, policy)
        return finding.level, finding.says

    assert auth_checks.autoconfirm(None, database.call("auth_sync_inspect_v1"), Policy()) == []
    assert "counts as proven" in auth_checks.reachable(None).says
    with auth_server(database_url) as server, closing(SupabaseAuthAdmin(server.url, server.key)) as admin:
        server.fail_next(CUT)
        assert found(Policy())[0] is Level.NOTE
        assert found(Policy())[0] is Level.OK
        run_once(database, admin, Policy())
        assert found(Policy())[0] is Level.OK
        server.autoconfirm = True
        assert found(Policy())[0] is Level.WRONG
        run_once(database, admin, Policy())
        assert found(Policy()) == (
            Level.NOTE,
            "Auth confirms e-mails without proof: auth users are linked by employee number only",
        )
        run_once(database, admin, ALLOWED)
        assert "becomes that employee" in found(ALLOWED)[1]
        server.fail_next(CUT)
        assert "becomes that employee" in found(ALLOWED)[1]
