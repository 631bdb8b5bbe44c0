"""PATCH /admin/api/employees/{id} keeps both sides in sync if Auth fails or the employees table refuses the change."""

from contextlib import closing

import httpx
import pytest

from tests.auth_faults import BROKEN, CUT, PAGE_500, SILENT, TIMED_OUT, UNEXPECTED, Fault, throttled
from tests.integration.captured import everything
from tests.integration.hiring import (
    Office,
    access,
    accounts_over,
    client_for,
    login_of,
    open_rows,
    reason_of,
    sign_in_jane,
    whole_log,
)
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.settings import Settings

LOST = {"cut": CUT, "timed out": TIMED_OUT, "broken": BROKEN, "a page": PAGE_500, "unexpected": UNEXPECTED}
QUEUED = LOST | {"throttled": throttled("7"), "no key": Fault(401, "bad_jwt")}
CANARY = "Canary"
RAISES = """
create function rule() returns trigger language plpgsql as $$ begin
  raise exception 'no: %', new using detail = new::text, constraint = 'contract';
end $$;
"""


@pytest.fixture
def jane(hr: Office, database_url: str) -> int:
    return sign_in_jane(hr, database_url, last_name=CANARY)


@pytest.mark.campaign
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("is_active", [False, True])
@pytest.mark.parametrize("name", QUEUED)
def test_a_change_that_auth_does_not_make_now_is_queued(
    hr: Office, jane: int, name: str, is_active: bool, method: str
) -> None:
    """If Auth fails, the employee is changed at once, and the relay changes the login later."""
    hr.switch(jane, not is_active)
    hr.auth.fail_next(QUEUED[name], method=method)
    assert login_of(hr.switch(jane, is_active))[0] == "queued"
    assert access(hr, jane) == (is_active, not is_active)
    hr.rest()
    assert access(hr, jane) == (is_active, is_active)


@pytest.mark.parametrize("is_active", [False, True])
@pytest.mark.parametrize("name", LOST)
def test_a_change_whose_response_was_lost_succeeds(hr: Office, jane: int, name: str, is_active: bool) -> None:
    """A change whose response was lost is reported as done, because the service reads the user again."""
    hr.switch(jane, not is_active)
    hr.auth.fail_next(LOST[name].after_commit(), method="PUT")
    assert login_of(hr.switch(jane, is_active)) == ("done", None)
    assert access(hr, jane) == (is_active, is_active)


def test_auth_gets_the_pause_that_it_requests(hr: Office, jane: int) -> None:
    """During a requested pause, neither the relay nor a request calls Auth. The pause does not count as an attempt."""
    hr.auth.fail_next(throttled("3600"), method="PUT")
    hr.switch(jane, False)
    calls = len(hr.auth.calls)
    hr.run_pass()
    assert len(hr.auth.calls) == calls
    [bucket] = hr.connection.execute("select paused_until > now() + interval '59 minutes' as long from auth_sync_rate")
    assert bucket["long"]
    [left] = open_rows(hr.connection)
    assert left["status"] == "PENDING"  # the pause does not count as an attempt


def test_a_hanging_auth_times_out(hr: Office, jane: int, settings: Settings) -> None:
    """If Auth does not respond, the change is queued after this service's own timeout."""
    hr.auth.fail_next(SILENT, method="PUT")
    with closing(SupabaseAuthAdmin(hr.auth.url, hr.auth.key, timeout=httpx.Timeout(0.5))) as impatient:
        usual, hr.client = hr.client, client_for(settings, accounts_over(hr.database, impatient, settings))
        assert login_of(hr.switch(jane, False)) == ("queued", "auth_unreachable")
        hr.client = usual
    hr.rest()
    assert access(hr, jane) == (False, False)


@pytest.mark.parametrize("fault", [CUT, throttled("3600")], ids=["unavailable", "throttled"])
def test_during_an_outage_the_last_request_counts(hr: Office, jane: int, fault: Fault) -> None:
    """Each request during an outage changes the employee. After the outage the login is changed once."""
    hr.auth.fail(fault)
    for is_active in (False, True, False):
        assert login_of(hr.switch(jane, is_active))[0] == "queued"
        assert access(hr, jane) == (is_active, True)
    hr.auth.fail(None)
    calls = hr.auth.count("PUT")
    hr.rest()
    assert access(hr, jane) == (False, False)
    assert hr.auth.count("PUT") == calls + 1


def test_a_change_that_auth_refuses_fails(hr: Office, jane: int) -> None:
    """A change that Auth refuses is reported as failed, and needs attention in the ledger."""
    hr.auth.fail_next(Fault(400, "validation_failed"), method="PUT")
    status, reason = login_of(hr.switch(jane, False))
    assert status == "failed"
    assert reason is not None
    assert "validation_failed" in reason
    [left] = open_rows(hr.connection)
    assert (left["status"], left["outcome"]) == ("FAILED", "auth_refused")
    assert access(hr, jane) == (False, True)
    assert login_of(hr.switch(jane, False)) == ("done", None)
    assert access(hr, jane) == (False, False)


RULES = {
    "a trigger": (
        RAISES + "create trigger rule before update of is_active on employees for each row execute function rule()",
        {"constraint": "contract", "sqlstate": "P0001"},
    ),
    "a check": (
        "alter table employees add constraint all_active check (is_active)",
        {"constraint": "all_active", "sqlstate": "23514"},
    ),
    "a trigger, late": (
        RAISES + "create constraint trigger rule after update of is_active on employees deferrable initially deferred"
        " for each row execute function rule()",
        {"constraint": "contract", "sqlstate": "P0001"},
    ),
    "overruled": (
        "create function rule() returns trigger language plpgsql as $$ begin new.is_active := true; return new; end $$;"
        "create trigger rule before update on employees for each row execute function rule()",
        {"column": "is_active"},
    ),
    "swallowed": (
        "create function rule() returns trigger language plpgsql as $$ begin return null; end $$;"
        "create trigger rule before update on employees for each row execute function rule()",
        {"column": "is_active"},
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_the_employees_table_is_kept(
    hr: Office, jane: int, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A change that the employees table refuses gets 422 without any value of the row, and changes neither side."""
    rule, facts = RULES[name]
    hr.connection.execute(rule.encode())
    before, calls = everything(hr.connection, "employees", "auth.users", "integration_sync_log"), len(hr.auth.calls)
    answer = hr.switch(jane, False)
    assert reason_of(answer) == (422, "employee_rejected"), answer.text
    assert {name: answer.get_json()[name] for name in facts} == facts
    assert CANARY not in answer.text + whole_log(caplog)
    hr.rest()
    assert everything(hr.connection, "employees", "auth.users", "integration_sync_log") == before
    assert len(hr.auth.calls) == calls


def test_a_company_trigger_may_unlink_an_employee_who_leaves(hr: Office, jane: int) -> None:
    """If a company's trigger removes the link at the deactivation, the login is still banned."""
    hr.connection.execute(
        "create function rule() returns trigger language plpgsql as $$ begin"
        " if not new.is_active then new.auth_user_id := null; end if; return new; end $$;"
        "create trigger rule before update of is_active on employees for each row execute function rule()"
    )
    assert hr.switch(jane, False).status_code == 200
    hr.rest()
    assert access(hr, jane) == (False, False)
