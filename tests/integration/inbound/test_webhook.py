"""POST /webhook/auth on a real database gives the outcomes of the decision table and the resulting employees."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from psycopg import sql

from tests.auth_traffic import CONFIRMED, EPOCH, JANE, delete, insert, outcome_of, post, update
from tests.employees import Connection, employee, entry, hire
from tests.integration.requested_actions import actions
from webhook_service.app import create_app
from webhook_service.events import AuthEvent, AuthUser, Operation
from webhook_service.inbound.handlers import decide
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database
from webhook_service.settings import Settings

MAIL = "jane.doe@example.com"
PROVEN: dict[str, Any] = {"email": MAIL, "email_confirmed_at": CONFIRMED}
OTHER = UUID(int=2)


def test_the_response_has_event_status_and_outcome(client: FlaskClient) -> None:
    """A 2xx response is {event_id, status, outcome}."""
    response = post(client, insert(email=MAIL), "evt-1")
    assert response.get_json() == {"event_id": "evt-1", "status": "SUCCESS", "outcome": "unconfirmed"}


def test_a_confirmed_user_is_linked_to_the_employee_with_its_email(client: FlaskClient, connection: Connection) -> None:
    """Matching ignores case and surrounding space of the employee's e-mail, which stays unchanged."""
    jane = hire(connection, " Jane.Doe@Example.com ")
    assert outcome_of(post(client, insert(**PROVEN))) == "linked"
    found = employee(connection, jane)
    assert (found["email"], found["auth_user_id"]) == (" Jane.Doe@Example.com ", JANE)


def test_linking_copies_the_names(client: FlaskClient, connection: Connection) -> None:
    """A link copies the configured names of the metadata and no other key."""
    jane = hire(connection, MAIL, first_name="J.", last_name="Doe")
    post(client, insert(**PROVEN, raw_user_meta_data={"first_name": "Jane", "user_type_id": 1, "is_active": False}))
    found = employee(connection, jane)
    assert (found["first_name"], found["last_name"], found["is_active"]) == ("Jane", "Doe", True)


def test_a_name_from_before_the_link_is_copied_with_it(client: FlaskClient, connection: Connection) -> None:
    """A link copies the name that an earlier event of the user carried."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, email=MAIL, raw_user_meta_data={"first_name": "Jane"}))
    post(client, update(at=2, **PROVEN))
    assert employee(connection, jane)["first_name"] == "Jane"


def test_an_inactive_employee_is_linked_and_its_login_queued_to_be_disabled(
    client: FlaskClient, connection: Connection
) -> None:
    """The link of an inactive employee leaves an open action in the ledger."""
    jane = hire(connection, MAIL, is_active=False)
    assert outcome_of(post(client, insert(**PROVEN), "evt-1")) == "linked"
    [action] = actions(connection)
    assert action["event_id"].endswith(":disable_auth_user")
    assert (action["auth_user_id"], action["status"], action["employee_id"]) == (JANE, "PENDING", jane)


def test_an_unconfirmed_email_does_not_link(client: FlaskClient, connection: Connection) -> None:
    """A user who signs up with an employee's e-mail is linked only after confirming the e-mail."""
    jane = hire(connection, MAIL)
    assert outcome_of(post(client, insert(email=MAIL))) == "unconfirmed"
    assert employee(connection, jane)["auth_user_id"] is None


def test_the_employee_number_outranks_the_email(client: FlaskClient, connection: Connection) -> None:
    """If the service role sets an employee number, only the number is matched."""
    hire(connection, MAIL, employee_number="E-1")
    right = hire(connection, "other@example.com", employee_number="E-2")
    post(client, insert(**PROVEN, raw_app_meta_data={"employee_number": "E-2"}))
    assert employee(connection, right)["auth_user_id"] == JANE


def test_several_employees_that_match_are_ambiguous(client: FlaskClient, connection: Connection) -> None:
    """If several employees match, the event fails and lists them, and none is linked."""
    first, second = hire(connection, MAIL), hire(connection, MAIL.upper())
    response = post(client, insert(**PROVEN), "evt-1")
    assert response.get_json() == {"event_id": "evt-1", "status": "FAILED", "outcome": "ambiguous"}
    assert entry(connection, "evt-1")["error_message"] == f"employees that match: [{first}, {second}]"


def test_a_link_is_never_stolen(client: FlaskClient, connection: Connection) -> None:
    """An employee who is linked to another auth user stays linked to it."""
    jane = hire(connection, MAIL, auth_user_id=OTHER)
    assert outcome_of(post(client, insert(**PROVEN))) == "already_linked"
    assert employee(connection, jane)["auth_user_id"] == OTHER


def test_a_free_employee_is_linked_though_another_with_its_email_is_taken(
    client: FlaskClient, connection: Connection
) -> None:
    """A single free employee that matches is linked, even if another match is already linked."""
    hire(connection, MAIL, auth_user_id=OTHER)
    free = hire(connection, MAIL)
    assert outcome_of(post(client, insert(**PROVEN))) == "linked"
    assert employee(connection, free)["auth_user_id"] == JANE


def test_without_an_employee_the_user_is_remembered(client: FlaskClient, connection: Connection) -> None:
    """An unmatched event is a success. The known state is kept until the employee exists."""
    assert outcome_of(post(client, insert(**PROVEN))) == "unmatched"
    state = connection.execute("select email, email_confirmed, employee_id from auth_user_state").fetchone()
    assert state == {"email": MAIL, "email_confirmed": True, "employee_id": None}


def test_a_new_email_is_copied_to_the_linked_employee(client: FlaskClient, connection: Connection) -> None:
    """Auth owns the e-mail by default. A new e-mail in Auth is copied to the linked employee."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    assert outcome_of(post(client, update(at=2, **PROVEN | {"email": "jane.smith@example.com"}))) == "synced"
    assert employee(connection, jane)["email"] == "jane.smith@example.com"


def test_an_email_owned_by_employees_is_not_copied(
    settings: Settings, database: Database, connection: Connection
) -> None:
    """If EMAIL_OWNER is `employees`, the employee's e-mail stays unchanged."""
    owned = Settings(
        settings.connection,
        settings.webhook_secrets,
        settings.admin_api_key,
        policy=Policy(email_owner=EmailOwner.EMPLOYEES),
    )
    client = create_app(owned, database).test_client()
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    assert outcome_of(post(client, update(at=2, **PROVEN | {"email": "jane.smith@example.com"}))) == "unchanged"
    assert employee(connection, jane)["email"] == MAIL


def test_a_ban_is_recorded_and_changes_no_employee(client: FlaskClient, connection: Connection) -> None:
    """A ban changes no column of the employee, and is recorded in the state."""
    hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    banned = update(at=2, **PROVEN, banned_until="2126-10-29T14:18:43.649126+00:00")
    assert outcome_of(post(client, banned)) == "unchanged"
    assert connection.execute("select banned_until from auth_user_state where banned_until is not null").rowcount == 1


def test_an_email_that_employees_do_not_allow_twice_is_taken(client: FlaskClient, connection: Connection) -> None:
    """If a unique constraint on the employees' e-mail refuses the copy, the event fails and copies nothing."""
    connection.execute("create unique index on employees (email)")
    jane, _ = hire(connection, MAIL), hire(connection, "taken@example.com")
    post(client, insert(at=1, **PROVEN))
    change = update(
        at=2, **PROVEN | {"email": "taken@example.com"}, raw_user_meta_data={"first_name": "Not to be copied"}
    )
    assert outcome_of(post(client, change)) == "email_taken"
    assert (employee(connection, jane)["email"], employee(connection, jane)["first_name"]) == (MAIL, None)


def test_an_event_that_employees_refuse_fails_alone(client: FlaskClient, connection: Connection) -> None:
    """If a constraint on employees refuses an event, it fails with the reason, and the next event is applied."""
    connection.execute("alter table employees add check (email <> 'not.here@example.com')")
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    assert outcome_of(post(client, update(at=2, **PROVEN | {"email": "not.here@example.com"}))) == "employee_rejected"
    assert outcome_of(post(client, update(at=3, **PROVEN | {"email": "here@example.com"}))) == "synced"
    assert employee(connection, jane)["email"] == "here@example.com"


def test_a_refused_name_does_not_fail_the_event(client: FlaskClient, connection: Connection) -> None:
    """If the employees table refuses a name, all other columns are still applied.

    Users write their names themselves, so a name must not fail the event.
    """
    connection.execute("alter table employees alter first_name type varchar(20)")
    jane = hire(connection, MAIL, first_name="Jane")
    assert outcome_of(post(client, insert(at=1, **PROVEN, raw_user_meta_data={"first_name": "J" * 30}))) == "linked"
    assert outcome_of(post(client, update(at=2, **PROVEN | {"email": "new@example.com"}))) == "synced"
    assert (employee(connection, jane)["first_name"], employee(connection, jane)["email"]) == (
        "Jane",
        "new@example.com",
    )


def test_triggers_of_employees_find_their_own_tables(client: FlaskClient, connection: Connection) -> None:
    """A trigger on employees finds the tables of its own search_path, although the service's search_path is empty."""
    connection.execute("create schema hr; create table hr.audit (employee bigint)")
    connection.execute(
        sql.SQL("alter database {} set search_path = public, hr").format(sql.Identifier(connection.info.dbname))
    )
    connection.execute("""
        create function audited() returns trigger language plpgsql as
        'begin insert into audit values (new.employee_id); return new; end';
        create trigger audited before update on employees for each row execute function audited()""")
    jane = hire(connection, MAIL)
    assert outcome_of(post(client, insert(**PROVEN))) == "linked"
    assert connection.execute("select employee from hr.audit").fetchall() == [{"employee": jane}]


def test_a_link_that_a_trigger_prevents_is_not_a_success(client: FlaskClient, connection: Connection) -> None:
    """A link that a trigger prevents is not reported as linked."""
    connection.execute("""
        create function keeps() returns trigger language plpgsql as 'begin return null; end';
        create trigger keeps before update on employees for each row execute function keeps()""")
    hire(connection, MAIL)
    assert outcome_of(post(client, insert(**PROVEN))) == "employee_rejected"


def test_an_error_of_a_trigger_fails_only_its_event(client: FlaskClient, connection: Connection) -> None:
    """If a trigger raises an error, only its event fails, unless the SQLSTATE is one that is retried."""
    connection.execute("""
        create function raises() returns trigger language plpgsql as
        $$ begin raise exception 'not now' using errcode = '55000'; end $$;
        create trigger raises before update on employees for each row execute function raises()""")
    hire(connection, MAIL)
    assert outcome_of(post(client, insert(**PROVEN))) == "employee_rejected"


def test_only_one_of_two_events_with_the_same_id_is_applied(database: Database, connection: Connection) -> None:
    """If two events in a batch have the same id, only one is applied, and the ledger's row is the one of this event."""
    one, other = (
        decide(AuthEvent("evt-1", Operation.INSERT, number, AuthUser(UUID(int=number))), Policy()) for number in (1, 2)
    )
    outcomes = sorted(result.outcome for result in process_batch(database, [other, one], Policy()))
    assert outcomes == ["duplicate", "unconfirmed"]
    applied = connection.execute("select auth_user_id from auth_user_state where version > 0").fetchall()
    assert applied == [{"auth_user_id": entry(connection, "evt-1")["auth_user_id"]}]


def test_a_deleted_user_leaves_an_orphan(client: FlaskClient, connection: Connection) -> None:
    """If an auth user is deleted, the link is cleared, the row shows the orphan, and e-mail and names stay."""
    jane = hire(connection, MAIL, first_name="Jane")
    post(client, insert(at=1, **PROVEN))
    assert outcome_of(post(client, delete(at=1, **PROVEN))) == "orphaned"
    found = employee(connection, jane)
    assert (found["auth_user_id"], found["orphaned_auth_user_id"]) == (None, JANE)
    assert (found["email"], found["first_name"]) == (MAIL, "Jane")
    assert found["orphaned_at"] is not None


def test_a_soft_delete_is_a_deletion(client: FlaskClient, connection: Connection) -> None:
    """The first update of a soft delete orphans the employee with Auth's time of deletion. Two more change nothing."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    gone: dict[str, Any] = {"email": "R" * 43, "email_confirmed_at": CONFIRMED, "deleted_at": CONFIRMED}
    outcomes = [outcome_of(post(client, update(at=at, **gone))) for at in (2, 3, 4)]
    assert outcomes == ["orphaned", "unmatched", "unmatched"]
    found = employee(connection, jane)
    assert (found["email"], found["orphaned_at"]) == (MAIL, EPOCH)


def test_a_link_that_a_foreign_key_removed_still_leaves_an_orphan(client: FlaskClient, connection: Connection) -> None:
    """An employee becomes an orphan even if `on delete set null` clears the link before the event arrives."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    connection.execute("update employees set auth_user_id = null")
    assert outcome_of(post(client, delete(at=1))) == "orphaned"
    assert employee(connection, jane)["orphaned_auth_user_id"] == JANE


def test_a_new_user_takes_over_an_orphan(client: FlaskClient, connection: Connection) -> None:
    """A user who proves an orphan's e-mail is linked to this employee, who is then no longer an orphan."""
    jane = hire(connection, MAIL)
    post(client, insert(at=1, **PROVEN))
    post(client, delete(at=1))
    assert outcome_of(post(client, insert(OTHER, at=2, **PROVEN))) == "linked"
    found = employee(connection, jane)
    assert (found["auth_user_id"], found["orphaned_at"], found["orphaned_auth_user_id"]) == (OTHER, None, None)


@pytest.mark.parametrize("gone", [delete(at=1), update(at=1, deleted_at=CONFIRMED)], ids=["hard", "soft"])
def test_the_deletion_of_an_unlinked_user_is_recorded(
    client: FlaskClient, connection: Connection, gone: dict[str, Any]
) -> None:
    """The deletion of a user that was never linked is unmatched, and the state records it."""
    assert outcome_of(post(client, gone)) == "unmatched"
    assert connection.execute("select from auth_user_state where deleted_at is not null").rowcount == 1


def test_an_anonymous_user_is_ignored(client: FlaskClient, connection: Connection) -> None:
    """An anonymous user links no employee, whatever its metadata contains."""
    hire(connection, MAIL)
    assert outcome_of(post(client, insert(**PROVEN, is_anonymous=True))) == "ignored"


def test_an_older_event_is_stale(client: FlaskClient, connection: Connection) -> None:
    """An event that arrives after a newer event changes nothing."""
    jane = hire(connection, MAIL)
    post(client, update(at=2, **PROVEN, raw_user_meta_data={"first_name": "New"}))
    older = update(at=1, **PROVEN, raw_user_meta_data={"first_name": "Old"})
    assert outcome_of(post(client, older)) == "stale"
    assert employee(connection, jane)["first_name"] == "New"


def test_the_same_event_again_is_a_duplicate(client: FlaskClient, connection: Connection) -> None:
    """A second delivery gets the row's status, and writes nothing."""
    hire(connection, MAIL)
    post(client, insert(**PROVEN), "evt-1")
    before = entry(connection, "evt-1")
    response = post(client, insert(**PROVEN), "evt-1")
    assert response.get_json() == {"event_id": "evt-1", "status": "SUCCESS", "outcome": "duplicate"}
    assert entry(connection, "evt-1") == before


def test_a_failed_event_does_not_block_newer_ones(client: FlaskClient, connection: Connection) -> None:
    """After an ambiguous event, the user's next event is applied."""
    hire(connection, MAIL), hire(connection, MAIL)
    free = hire(connection, "only@example.com")
    assert outcome_of(post(client, insert(at=1, **PROVEN))) == "ambiguous"
    assert outcome_of(post(client, update(at=2, **PROVEN | {"email": "only@example.com"}))) == "linked"
    assert employee(connection, free)["auth_user_id"] == JANE


def test_events_with_the_same_version_are_applied_as_they_arrive(client: FlaskClient, connection: Connection) -> None:
    """The later of two events with the same version counts as newer."""
    jane = hire(connection, MAIL)
    post(client, update(at=1, **PROVEN, raw_user_meta_data={"first_name": "First"}))
    post(client, update(at=1, **PROVEN, raw_user_meta_data={"first_name": "Second"}))
    assert employee(connection, jane)["first_name"] == "Second"


def test_the_ledger_records_the_changes(client: FlaskClient, connection: Connection) -> None:
    """The ledger has each changed column with its value before and after."""
    hire(connection, MAIL, first_name="J.")
    post(client, insert(**PROVEN, raw_user_meta_data={"first_name": "Jane"}), "evt-1")
    assert entry(connection, "evt-1")["changes"] == {
        "auth_user_id": {"from": None, "to": str(JANE)},
        "first_name": {"from": "J.", "to": "Jane"},
    }


def test_a_supabase_payload_with_our_version_is_ordered_by_it(client: FlaskClient, connection: Connection) -> None:
    """If a payload has a version, this version decides the order."""
    jane = hire(connection, MAIL)
    post(client, update(at=1, **PROVEN, raw_user_meta_data={"first_name": "New"}) | {"version": 2 * 10**15})
    older = update(at=2, **PROVEN, raw_user_meta_data={"first_name": "Old"}) | {"version": 1 * 10**15}
    assert outcome_of(post(client, older)) == "stale"
    assert employee(connection, jane)["first_name"] == "New"


@pytest.mark.parametrize("path", ["/webhook/auth/", "//webhook/auth", "/webhook//auth", "/webhook/auth?a=b/../c"])
def test_the_endpoint_never_redirects(client: FlaskClient, path: str) -> None:
    """The endpoint never redirects, because pg_net follows a redirect as a GET without a body and records a success."""
    assert client.post(path).status_code in (401, 404)
