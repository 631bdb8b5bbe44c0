"""Relay, reconciliation, retention, probes and doctor work with the privileges of service_role and no other role."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from tests.auth_server import auth_server
from tests.auth_traffic import JANE
from tests.databases import dropped_afterwards
from tests.employees import Connection, employee, hire
from tests.integration.capturing import auth_on, reconciled, relay
from tests.integration.doctoring import examined, found, problems
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level
from webhook_service.errors import DatabaseError
from webhook_service.events import ActionOutcome
from webhook_service.ledger.retention import prune
from webhook_service.outbound.accounts import Accounts
from webhook_service.outbound.employee_changes import set_active
from webhook_service.outbound.logins import hire as hire_with_login
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database

STRANGERS = ("anon", "authenticated")
TABLES = (
    *("auth_sync_settings", "auth_sync_relays", "auth_sync_rate", "auth_sync_migrations", "auth_sync_functions"),
    *("auth_sync_sessions", "auth_sync_sign_in_attempts", "auth_sync_audit", "auth_sync_pending_sign_ins"),
    *("auth_sync_bulk_replays", "auth_sync_notices", "auth_sync_failing_loops", "auth_sync_comparison"),
    *("auth_sync_idempotency_keys", "auth_sync_imports", "auth_sync_import_lines"),
    *("auth_sync_scim_clients", "auth_sync_scim_tokens", "auth_sync_scim_people"),
    *("auth_sync_subscribers", "auth_sync_deliveries"),
    *("auth_sync_feed", "auth_sync_feed_open", "auth_sync_feed_gaps"),
)
VIEWS = ("auth_sync_monitor", "auth_sync_standings", "auth_sync_ambiguous", "recent_auth_sync_log")
FUNCTIONS: dict[str, dict[str, Any]] = {
    "auth_sync_claim_v1": {"p_relay": "r", "p_limit": 1, "p_lease_seconds": 1},
    "auth_sync_process_v1": {"p_works": []},
    "auth_sync_fail_v1": {"p_event_id": "e", "p_outcome": "unreadable", "p_error": "e", "p_lease": None},
    "auth_sync_earlier_v1": {"p_works": [], "p_limit": 1},
    "auth_sync_begin_reconcile_v1": {"p_requested_by": "r", "p_dry_run": True},
    "auth_sync_reconcile_page_v1": {"p_run": None, "p_part": "users", "p_after": None, "p_limit": 1, "p_columns": []},
    "auth_sync_end_reconcile_v1": {"p_run": "r", "p_error": None, "p_summary": {}},
    "auth_sync_prune_v1": {"p_before": "2026-01-01", "p_limit": 1, "p_dry_run": True},
    "auth_sync_claim_key_v1": {"p_key": "k", "p_request": "r", "p_lease": "l", "p_lease_seconds": 1},
    "auth_sync_keep_answer_v1": {"p_key": "k", "p_lease": "l", "p_status": 200, "p_body": "{}"},
    "auth_sync_release_key_v1": {"p_key": "k", "p_lease": "l"},
    "auth_sync_prune_keys_v1": {"p_limit": 1},
    "auth_sync_prune_audit_v1": {"p_before": "2026-01-01", "p_limit": 1, "p_dry_run": True},
    "auth_sync_import_columns_v1": {},
    "auth_sync_begin_import_v1": {"p_import": JANE, "p_who": "r", "p_deactivate_missing": False},
    "auth_sync_add_import_lines_v1": {"p_import": JANE, "p_lines": []},
    "auth_sync_import_plan_v1": {"p_import": JANE},
    "auth_sync_discard_import_v1": {"p_import": JANE},
    "auth_sync_import_v1": {
        **{"p_import": JANE, "p_is_dry": True, "p_digest": None},
        **{"p_skip_refused": False, "p_allow_mass": False, "p_limit": 1},
    },
    "auth_sync_scim_create_token_v1": {"p_name": "okta", "p_hash": "h", "p_requested_by": "r"},
    "auth_sync_scim_tokens_v1": {},
    "auth_sync_scim_revoke_v1": {"p_token_id": None, "p_name": "okta", "p_requested_by": "r"},
    "auth_sync_scim_client_v1": {"p_hash": "h"},
    "auth_sync_scim_admit_v1": {"p_hash": "h", "p_rate": 1},
    "auth_sync_scim_request_v1": {
        **{"p_hash": "h", "p_action": "a", "p_employee_id": 1, "p_status": 200, "p_details": {}, "p_reason": None},
    },
    "auth_sync_scim_spend_v1": {"p_client_id": 1, "p_requests": 1, "p_rate": 1},
    "auth_sync_scim_get_v1": {"p_client_id": 1, "p_employee_id": 1, "p_attributes": {}},
    "auth_sync_scim_find_v1": {
        **{"p_client_id": 1, "p_condition": None, "p_sort_by": None, "p_is_descending": False},
        **{"p_start": 1, "p_count": 1, "p_attributes": {}},
    },
    "auth_sync_scim_create_v1": {"p_client_id": 1, "p_values": {}, "p_attributes": {}},
    "auth_sync_scim_change_v1": {
        **{"p_client_id": 1, "p_employee_id": 1, "p_attributes": {}},
        **{"p_values": {}, "p_version": None},
    },
    "auth_sync_scim_delete_v1": {
        **{"p_client_id": 1, "p_employee_id": 1, "p_attributes": {}},
        **{"p_version": None, "p_removes": True},
    },
    "auth_sync_scim_write_v1": {"p_employee_id": 1, "p_row": {}, "p_attributes": {}},
    "auth_sync_create_subscriber_v1": {
        **{"p_name": "n", "p_url": "https://example.com", "p_secret": "s", "p_types": None, "p_allow_private": False},
    },
    "auth_sync_subscribers_v1": {},
    "auth_sync_subscriber_v1": {"p_name": "n", "p_limit": 1},
    "auth_sync_subscriber_target_v1": {"p_name": "n"},
    "auth_sync_enable_subscriber_v1": {"p_name": "n", "p_is_enabled": True},
    "auth_sync_rotate_subscriber_v1": {"p_name": "n", "p_secret": "s"},
    "auth_sync_delete_subscriber_v1": {"p_name": "n"},
    "auth_sync_read_feed_v1": {"p_limit": 1},
    "auth_sync_claim_deliveries_v1": {"p_relay": "r", "p_limit": 1, "p_lease_seconds": 1},
    "auth_sync_settle_delivery_v1": {
        **{"p_id": 1, "p_lease": "l", "p_status_code": 200, "p_error": None, "p_retry_after": None},
    },
    "auth_sync_replay_deliveries_v1": {"p_name": "n", "p_id": None, "p_limit": 1},
    "auth_sync_prune_deliveries_v1": {"p_before": "2026-01-01", "p_limit": 1, "p_dry_run": True},
    "auth_sync_readiness_v1": {},
    "auth_sync_admins_v2": {"p_roles": {"hr": ["hr"]}},
    "auth_sync_metrics_v1": {},
    "auth_sync_reached_v1": {"p_kind": "drift", "p_message": {}, "p_destination": "d"},
    "auth_sync_choose_v1": {
        "p_employee_id": 1,
        "p_auth_user_id": "00000000-0000-0000-0000-000000000001",
        "p_requested_by": "r",
    },
    "auth_sync_inspect_v1": {},
    "auth_sync_configure_v1": {"p_name_fields": {}, "p_columns": []},
    "auth_sync_signed_v1": {"p_event_id": "e", "p_body": {}},
    "auth_sync_send_to": {"p_url": None, "p_secrets": None},
    "auth_sync_claim_actions_v1": {"p_relay": "r", "p_limit": 1, "p_lease_seconds": 1, "p_rate": 5},
    "auth_sync_claim_action_v1": {"p_event_id": "e", "p_lease": "l", "p_lease_seconds": 1},
    "auth_sync_settle_v1": {"p_event_id": "e", "p_lease": "l", "p_outcome": "disabled"},
    "auth_sync_pause_v1": {"p_seconds": 0, "p_failed": False},
    "auth_sync_resume_v1": {},
    "auth_sync_take_token_v1": {"p_rate": 5},
    "auth_sync_end_sessions_v1": {"p_auth_user_id": JANE},
    "auth_sync_email_holder_v1": {"p_email": "jane@example.com"},
    "auth_sync_set_active_v1": {"p_employee_id": 1, "p_is_active": False, "p_via": "admin"},
    "auth_sync_hire_v1": {"p_event_id": "e", "p_lease": "l"},
    "auth_sync_without_login_v1": {"p_after": 0, "p_limit": 1, "p_orphans": False},
    "auth_sync_conditions_v1": {"p_backlog_seconds": 1, "p_silence_seconds": 1, "p_with_actions": True},
    "auth_sync_remember_notice_v1": {"p_kind": "drift", "p_revision": 0, "p_state": {}, "p_message": None},
    "auth_sync_claim_notice_v1": {"p_relay": "r", "p_lease_seconds": 1},
    "auth_sync_notice_sent_v1": {"p_kind": "drift", "p_relay": "r", "p_reached": [], "p_is_done": True},
    "auth_sync_attempt_sign_in_v1": {"p_keys": ["k"], "p_attempts": 1, "p_seconds": 1},
    "auth_sync_may_sign_in_v1": {"p_auth_user_id": JANE},
    "auth_sync_snapshot_v1": {},
    "auth_sync_sign_in_v1": {"p_who": "w", "p_auth_user_id": None, "p_checked_after": None},
    "auth_sync_session_v1": {"p_session": JANE, "p_seconds": 1},
    "auth_sync_wait_for_code_v1": {
        "p_who": "w",
        "p_auth_user_id": JANE,
        "p_checked_after": "1:1:",
        "p_sealed": "s",
        "p_keep_seconds": 1,
    },
    "auth_sync_pending_sign_in_v1": {"p_id": JANE, "p_seconds": 1},
    "auth_sync_drop_sign_in_v1": {"p_id": JANE},
    "auth_sync_sign_in_with_code_v1": {"p_id": JANE, "p_seconds": 1},
    "auth_sync_sign_out_v1": {"p_session": JANE},
    "auth_sync_loop_failed_v1": {"p_relay": "r", "p_loop": "l", "p_reason": "r", "p_detail": "d", "p_seconds": 0},
    "auth_sync_loop_recovered_v1": {"p_relay": "r", "p_loop": "l"},
    "auth_sync_failing_loops_v1": {},
    "auth_sync_dismiss_v1": {"p_event_id": "e"},
    "auth_sync_close_healed_v1": {"p_limit": 1},
    "auth_sync_note_comparison_v1": {"p_who": "w", "p_is_dry": True, "p_result": {}},
    "auth_sync_comparison_v1": {},
    "auth_sync_compared_v1": {},
    "auth_sync_note_auth_v1": {"p_error": None},
    "auth_sync_auth_v1": {},
    "auth_sync_others_v1": {"p_event_id": "e"},
    "auth_sync_inbox_v1": {"p_group": None, "p_position": None, "p_limit": 1},
    "auth_sync_inbox_count_v1": {"p_limit": 1},
    "auth_sync_timeline_v1": {"p_employee_id": 1, "p_before": None, "p_limit": 1},
    "auth_sync_unlink_v1": {"p_employee_id": 1, "p_auth_user_id": JANE},
    "auth_sync_edit_employee_v1": {"p_employee_id": 1, "p_values": {}},
    "auth_sync_change_employee_v1": {"p_employee_id": 1, "p_values": {}, "p_is_active": False, "p_via": "employees"},
    "auth_sync_with_number_v1": {"p_employee_number": "17", "p_except": None},
    "auth_sync_audit_v1": {"p_who": "w", "p_action": "a", "p_target": None, "p_details": {}},
    "auth_sync_audit_result_v1": {"p_id": 1, "p_result": "done", "p_reason": None},
    "auth_sync_audit_search_v1": {"p_filter": {}, "p_below": None, "p_limit": 1},
    "auth_sync_shared_emails_v1": {"p_emails": [], "p_orphans": False},
    "auth_sync_bulk_replays_page_v1": {"p_below": None, "p_limit": 1},
    "auth_sync_reconcile_run_v1": {},
    "find_employees_without_auth": {},
    "auth_sync_search_v1": {"p_filter": {}, "p_below": None, "p_limit": 1, "p_above": None},
    "auth_sync_list_people_v1": {"p_filter": {}, "p_sort": "id", "p_at": None, "p_is_back": False, "p_limit": 1},
    "auth_sync_chosen_people_v1": {"p_ids": [1]},
    "auth_sync_refresh_mismatches_v1": {},
    "auth_sync_bulk_preview_v1": {"p_filter": {}, "p_limit": 1},
    "auth_sync_begin_bulk_replay_v1": {"p_filter": {}, "p_requested_by": "r"},
    "auth_sync_cancel_bulk_replay_v1": {"p_id": 1, "p_requested_by": "r"},
    "auth_sync_claim_bulk_replay_v1": {"p_relay": "r", "p_limit": 1, "p_lease_seconds": 1},
}
"""The functions that the service or an admin calls, with valid arguments."""


@pytest.fixture
def as_role(database_url: str) -> Iterator[Callable[[str], Database]]:
    """Opens the service's adapter with the privileges of a role."""
    opened: list[DirectDatabase] = []

    def connect(role: str) -> Database:
        opened.append(DirectDatabase(f"{database_url}&options=-c%20role%3D{role}"))
        return opened[-1]

    yield connect
    for database in opened:
        database.close()


@pytest.fixture(scope="module", params=[*STRANGERS, "supabase_auth_admin"])
def stranger(
    request: pytest.FixtureRequest, new_database: Callable[..., str], migrated_template: str
) -> Iterator[tuple[Database, Connection]]:
    """The service's adapter and a connection with the privileges of a role, for all tests, which change nothing."""
    with dropped_afterwards(new_database(migrated_template)) as url:
        as_stranger = f"{url}&options=-c%20role%3D{request.param}"
        database = DirectDatabase(as_stranger)
        with psycopg.connect(as_stranger, autocommit=True, row_factory=dict_row) as connection:
            yield database, connection
        database.close()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_strangers_call_nothing(stranger: tuple[Database, Connection], function: str) -> None:
    """The project's public roles and Auth's role cannot call any function of the service."""
    with pytest.raises(DatabaseError, match="42501"):
        stranger[0].call(function, **FUNCTIONS[function])


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("attempt", ["select * from {}", "delete from {}", "insert into {} default values"])
def test_strangers_touch_no_table(stranger: tuple[Database, Connection], table: str, attempt: str) -> None:
    """The public roles and Auth's role can neither read nor write a table of the service."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger[1].execute(sql.SQL(attempt).format(sql.Identifier("public", table)))


def test_only_service_role_reads_the_views(connection: Connection) -> None:
    """Only service_role reads the views, because they show employees regardless of row level security."""
    for view, role in itertools.product(VIEWS, (*STRANGERS, "supabase_auth_admin")):
        query = sql.SQL("select * from {}").format(sql.Identifier("public", view))
        connection.execute("set role service_role")
        assert connection.execute(query).fetchall() == []
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query)


def test_service_role_does_not_see_auth_users(connection: Connection) -> None:
    """service_role cannot read auth.users directly. Reconciliation reads it through a function."""
    connection.execute("set role service_role")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select id from auth.users")


def test_service_role_relays_and_reconciles(
    as_role: Callable[[str], Database], connection: Connection, database_url: str
) -> None:
    """service_role can apply due events, find and apply changes that were not captured, and remove old events."""
    database = as_role("service_role")
    jane, joe = hire(connection, "jane@example.com"), hire(connection, "joe@example.com")
    with auth_on(database_url) as auth:
        auth.admin_create("jane@example.com")
        assert relay(database) == 1
        connection.execute("alter table auth.users disable trigger auth_sync_capture")
        auth.admin_create("joe@example.com")
        connection.execute("alter table auth.users enable trigger auth_sync_capture")
    assert reconciled(database, dry_run=True).differences == {"unknown": 1}
    assert reconciled(database).outcomes == {"linked": 1}
    assert [employee(connection, one)["auth_user_id"] is None for one in (jane, joe)] == [False, False]
    assert prune(database, datetime.now(UTC)) == 3


def test_service_role_performs_and_hires(as_role: Callable[[str], Database], database_url: str) -> None:
    """service_role can create an employee with a login, ban it and end its sessions, through the functions alone."""
    with auth_server(database_url) as auth:
        admin = SupabaseAuthAdmin(auth.url, auth.key)
        accounts = Accounts(as_role("service_role"), admin, EmailOwner.AUTH, 5, lambda: datetime.now(UTC))
        columns = {"email": "jane@example.com"}
        hired = hire_with_login(accounts, columns, "jane@example.com", via="admin", requested_by="test")
        switched = set_active(accounts.database, accounts, hired.employee_id, False, via="admin")
        admin.close()
    assert (switched.login, switched.outcome) == ("done", ActionOutcome.DISABLED)


def test_service_role_examines(as_role: Callable[[str], Database]) -> None:
    """Doctor and the probe need only the privileges of service_role."""
    database = as_role("service_role")
    assert relay(database) == 0
    assert problems(examined(database)) == [("sender", Level.NOTE), ("comparison", Level.NOTE)]
    assert database.call("auth_sync_readiness_v1")["relay_last_run_seconds"] is not None


def test_auth_captures_without_any_privilege(connection: Connection, database_url: str) -> None:
    """A sign-up is captured although Auth's role has no privileges on the tables that the trigger writes."""
    with auth_on(database_url) as auth:
        user = auth.sign_up("jane@example.com")
    rows = connection.execute("select auth_user_id, via from integration_sync_log").fetchall()
    assert rows == [{"auth_user_id": user, "via": "capture"}]


@pytest.mark.parametrize("role", ["service_role", "authenticated", "importer"])
def test_the_privilege_to_insert_employees_is_enough(connection: Connection, database_url: str, role: str) -> None:
    """An import with privileges on employees alone links waiting auth users. The trigger has its owner's privileges."""
    with auth_on(database_url) as auth:
        user = auth.admin_create("jane@example.com")
    direct = DirectDatabase(database_url)
    relay(direct)
    direct.close()
    if role == "importer":
        connection.execute("do $$ begin create role importer; exception when duplicate_object then null; end $$")
    connection.execute(f"grant insert, select on employees to {role}")
    connection.execute(f"create policy p on employees to {role} using (true)")
    connection.execute(f"set role {role}")
    connection.execute("insert into public.employees (email) values ('jane@example.com')")
    assert employee(connection, 1)["auth_user_id"] == user


def test_an_owner_who_sees_nothing_is_found(connection: Connection, as_role: Callable[[str], Database]) -> None:
    """If the functions belong to a role that row level security restricts, doctor reports that they see no users."""
    connection.execute("do $$ begin create role poor; exception when duplicate_object then null; end $$")
    for relation in (*TABLES, "integration_sync_log", "auth_user_state"):
        connection.execute(f"alter table {relation} owner to poor")
    connection.execute("alter function auth_sync_inspect_v1 owner to poor")
    connection.execute("grant execute on all functions in schema public to poor")
    connection.execute("grant usage on schema auth to poor; grant select on auth.users to poor")
    finding = found(examined(as_role("service_role"), compare=False), "source")
    assert (finding.level, finding.says) == (Level.WRONG, "this service's functions cannot read auth.users")
