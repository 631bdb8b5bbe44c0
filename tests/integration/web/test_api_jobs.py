"""The admin API begins and cancels bulk replays, reads the audit, compares and corrects, and provisions logins."""

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.admin_api import Api, audited, fits, reason_of
from tests.integration.bulk_replaying import fail_many, work_off
from webhook_service.ports import Database
from webhook_service.web.api import job_schemas

FAILED = {"filter": {"status": "FAILED"}, "requested_by": "Ann"}


# bulk replays


def test_a_bulk_replay_is_previewed(api: Api, connection: Connection, database: Database) -> None:
    """The default is a preview, which changes and audits nothing."""
    fail_many(connection, database, 3)
    found = fits(api.post("/bulk-replays", FAILED), job_schemas.BegunBulkReplay)
    assert (found["dry_run"], found["matched"], found["preview"]["outcomes"]) == (True, 3, {"linked": 3})
    assert fits(api.get("/bulk-replays"), job_schemas.BulkReplays)["bulk_replays"] == []
    assert audited(connection) == []


def test_a_bulk_replay_runs(api: Api, connection: Connection, database: Database) -> None:
    """A bulk replay begins at once, relays work it off, and its progress can be read."""
    fail_many(connection, database, 3)
    begun = fits(api.post("/bulk-replays", FAILED | {"dry_run": False}), job_schemas.BegunBulkReplay)
    id = begun["bulk_replay"]["id"]
    assert (begun["bulk_replay"]["status"], begun["matched"]) == ("RUNNING", 3)
    work_off(connection, database, id)
    ended = fits(api.get(f"/bulk-replays/{id}"), job_schemas.BulkReplayJob)
    assert (ended["status"], ended["replayed"], ended["outcomes"]) == ("DONE", 3, {"linked": 3})
    assert audited(connection) == [("api:Ann", "begin a bulk replay", None, "done")]


def test_a_bulk_replay_is_cancelled(api: Api, connection: Connection, database: Database) -> None:
    """A cancelled bulk replay has the name of the caller. An unknown one is not found."""
    fail_many(connection, database, 1)
    id = api.post("/bulk-replays", FAILED | {"dry_run": False}).get_json()["bulk_replay"]["id"]
    ended = fits(api.post(f"/bulk-replays/{id}/cancel", {"requested_by": "Bob"}), job_schemas.BulkReplayJob)
    assert (ended["status"], ended["cancelled_by"]) == ("CANCELLED", "api:Bob")
    assert audited(connection)[-1] == ("api:Bob", "cancel a bulk replay", f"replay:{id}", "done")
    for path in (f"/bulk-replays/{id + 1}/cancel", f"/bulk-replays/{2**70}/cancel"):
        assert reason_of(api.post(path)) == (404, "bulk_replay_not_found")


def test_bulk_replays_are_listed_by_page(api: Api, connection: Connection, database: Database) -> None:
    """The pages have each bulk replay once, newest first."""
    ids = [api.post("/bulk-replays", FAILED | {"dry_run": False}).get_json()["bulk_replay"]["id"] for _ in range(3)]
    first = fits(api.get("/bulk-replays?limit=2"), job_schemas.BulkReplays)
    rest = fits(api.get(f"/bulk-replays?limit=2&cursor={first['next_cursor']}"), job_schemas.BulkReplays)
    assert [each["id"] for each in first["bulk_replays"] + rest["bulk_replays"]] == ids[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"filter": {"colour": "red"}}, {"filter": {}, "dry_run": False}])
def test_a_bulk_replay_needs_a_filter(api: Api, body: dict[str, object]) -> None:
    """Without a filter, nothing begins."""
    assert reason_of(api.post("/bulk-replays", body)) == (422, "invalid_query")


# the audit


@pytest.fixture
def acts(connection: Connection) -> None:
    """Six acts of Ann and Bob, one on each day."""
    connection.execute(
        "insert into auth_sync_audit (at, who, action, target)"
        " select '2026-01-01T12:00Z'::timestamptz + n * interval '1 day',"
        " case when n % 2 = 0 then 'ann' else 'bob' end,"
        " 'do ' || n, 'employee:' || n / 2 from generate_series(0, 5) as n"
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [5, 4, 3, 2, 1, 0]),
        ("who=ann", [4, 2, 0]),
        ("target=employee:1", [3, 2]),
        ("who=bob&target=employee:1", [3]),
        ("since=2026-01-05T12:00:00Z", [5, 4]),
        ("until=2026-01-03T12:00:00Z", [1, 0]),
        ("since=2026-01-02T00:00:00Z&until=2026-01-04T00:00:00Z&who=ann", [2]),
        ("who=nobody", []),
    ],
)
def test_the_audit_is_filtered(api: Api, acts: None, query: str, expected: list[int]) -> None:
    """Entries match the admin, the object and the time, newest first."""
    found = fits(api.get(f"/audit?{query}"), job_schemas.Audit)
    assert [each["action"] for each in found["entries"]] == [f"do {n}" for n in expected]
    assert found["next_cursor"] is None


def test_the_audit_is_listed_by_page(api: Api, acts: None) -> None:
    """The pages have each entry that matches once."""
    first = fits(api.get("/audit?who=ann&limit=2"), job_schemas.Audit)
    rest = fits(api.get(f"/audit?who=ann&limit=2&cursor={first['next_cursor']}"), job_schemas.Audit)
    assert [each["action"] for each in first["entries"] + rest["entries"]] == ["do 4", "do 2", "do 0"]
    assert rest["next_cursor"] is None


# reconcile


@pytest.fixture
def unknown(connection: Connection, auth: Auth) -> int:
    """An employee whose login signed up before the installation."""
    connection.execute("alter table auth.users disable trigger auth_sync_capture")
    made = hire(connection, "jane@example.com")
    auth.admin_create("jane@example.com")
    connection.execute("alter table auth.users enable trigger auth_sync_capture")
    return made


def test_a_comparison_changes_nothing(api: Api, connection: Connection, unknown: int) -> None:
    """The default is a dry run, which returns what a run would do. The last comparison can be read afterwards."""
    before = fits(api.get("/reconcile"), job_schemas.LastComparison)
    assert before == {"can_compare": True, "comparison": None, "run": None}
    found = fits(api.post("/reconcile", {"requested_by": "Ann"}), job_schemas.Reconciled)
    assert (found["dry_run"], found["differences"], found["planned"]["counts"]) == (True, {"unknown": 1}, {"link": 1})
    assert found["planned"]["items"]["link"][0]["employee_id"] == unknown
    assert employee(connection, unknown)["auth_user_id"] is None
    after = fits(api.get("/reconcile"), job_schemas.LastComparison)
    assert (after["comparison"]["is_dry"], after["comparison"]["who"], after["run"]) == (True, "api:Ann", None)
    assert audited(connection) == [("api:Ann", "compare employees and logins", None, "done")]


def test_a_run_corrects(api: Api, connection: Connection, unknown: int) -> None:
    """A run corrects the differences, and the ledger and the audit have it."""
    found = fits(api.post("/reconcile", {"dry_run": False, "requested_by": "Ann"}), job_schemas.Reconciled)
    assert (found["dry_run"], found["outcomes"], found["left"]) == (False, {"linked": 1}, 0)
    assert employee(connection, unknown)["auth_user_id"] is not None
    after = fits(api.get("/reconcile"), job_schemas.LastComparison)
    assert (after["run"]["status"], after["run"]["requested_by"], after["comparison"]["is_dry"]) == (
        *("DONE", "api:Ann"),
        False,
    )
    assert audited(connection) == [("api:Ann", "reconcile employees and logins", None, "done")]


def test_a_run_bans_only_with_permission(api: Api, connection: Connection, unknown: int) -> None:
    """A run with more bans than `max_bans` changes nothing."""
    connection.execute("update employees set is_active = false")
    refused = api.post("/reconcile", {"dry_run": False, "max_bans": 0})
    assert reason_of(refused) == (409, "too_many_bans")
    assert connection.execute("select from integration_sync_log").rowcount == 0
    done = fits(api.post("/reconcile", {"dry_run": False, "max_bans": 1}), job_schemas.Reconciled)
    assert done["planned"]["counts"]["ban"] == 1


def test_a_comparison_needs_auth_users(api: Api, connection: Connection) -> None:
    """Without auth.users there is nothing to compare with."""
    connection.execute("alter table auth.users rename to hidden")
    assert reason_of(api.post("/reconcile")) == (409, "no_auth_users")
    assert not fits(api.get("/reconcile"), job_schemas.LastComparison)["can_compare"]


# provision


@pytest.fixture
def company(connection: Connection) -> list[int]:
    """Three active employees without a login, and one inactive employee."""
    return [hire(connection, f"e{n}@example.com", is_active=n != 1) for n in range(4)]


def test_provision_lists_first(api: Api, connection: Connection, company: list[int]) -> None:
    """The default is a dry run, which lists the employees by page."""
    first = fits(api.post("/provision", {"limit": 2}), job_schemas.Provisioned)
    assert [(each["employee_id"], each["status"]) for each in first["employees"]] == [
        (company[0], "would_create"),
        (company[2], "would_create"),
    ]
    rest = fits(api.post("/provision", {"limit": 2, "cursor": first["next_cursor"]}), job_schemas.Provisioned)
    assert ([each["employee_id"] for each in rest["employees"]], rest["next_cursor"]) == ([company[3]], None)
    assert connection.execute("select from auth.users").rowcount == 0


def test_provision_invites_by_default(api: Api, connection: Connection, company: list[int]) -> None:
    """A request creates at most `limit` logins, without passwords, and says where the next one continues."""
    first = fits(api.post("/provision", {"dry_run": False, "limit": 2, "requested_by": "Ann"}), job_schemas.Provisioned)
    assert (first["counts"]["created"], first["ended_by"]) == (2, None)
    assert {each["temporary_password"] for each in first["employees"]} == {None}
    body = {"dry_run": False, "limit": 2, "cursor": first["next_cursor"]}
    rest = fits(api.post("/provision", body), job_schemas.Provisioned)
    assert (rest["counts"]["created"], rest["next_cursor"]) == (1, None)
    linked = connection.execute(
        "select employee_id from employees where auth_user_id is not null order by 1"
    ).fetchall()
    assert [row["employee_id"] for row in linked] == [company[0], company[2], company[3]]
    assert audited(connection)[0] == ("api:Ann", "create logins for employees without one", None, "done")


def test_provision_returns_passwords_once_if_asked(api: Api, company: list[int]) -> None:
    """Passwords are returned if `invite` is false, and a repeated answer does not have them."""
    body = {"dry_run": False, "invite": False}
    answer = api.post("/provision", body, Idempotency_Key="one")
    first = fits(answer, job_schemas.Provisioned)
    assert (len(first["employees"]), answer.headers["Cache-Control"]) == (3, "no-store")
    assert all(each["temporary_password"] for each in first["employees"])
    repeated = fits(api.post("/provision", body, Idempotency_Key="one"), job_schemas.Provisioned)
    assert {each["temporary_password"] for each in repeated["employees"]} == {None}
    assert repeated["password_was_shown"]


def test_provision_names_who_got_none(api: Api, connection: Connection) -> None:
    """Employees with one e-mail are refused with a reason, and the request continues behind them."""
    hire(connection, "desk@example.com"), hire(connection, "desk@example.com")
    ann = hire(connection, "ann@example.com")
    found = fits(api.post("/provision", {"dry_run": False}), job_schemas.Provisioned)
    statuses = {each["employee_id"]: each["status"] for each in found["employees"]}
    assert statuses[ann] == "created"
    assert (found["counts"]["refused"], found["next_cursor"]) == (2, None)
