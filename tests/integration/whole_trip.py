"""One trip through all functions that read or write employees."""

import psycopg
from psycopg.conninfo import make_conninfo

from tests.integration.captured import relay_all
from tests.integration.capturing import auth_on
from tests.integration.doctoring import examined
from webhook_service.db import migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level
from webhook_service.ledger import employees
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy

HIRED = "insert into public.employees (email) values (%s) returning employee_id"
KEYS = "select public.auth_sync_keys_v1('whsec_QUJD whsec_REVG')"


def everything_works(url: str) -> None:
    """Install, link a sign-up, dismiss, search, list, reconcile and examine. The test fails if one of them fails."""
    migrate.migrate(url, policy=Policy())
    database = DirectDatabase(url)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            jane, other, unusable = (
                (connection.execute(HIRED, [email]).fetchone() or (0,))[0]
                for email in ("jane@example.com", "back\\slash@example.com", "mailto:joe@example.com")
            )
        with auth_on(make_conninfo(url, options="-c DateStyle=ISO")) as auth:  # the test's Auth reads times
            user = auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane"})
        assert relay_all(database) == {"linked": 1}
        assert reconcile(database, Policy(), requested_by="test", dry_run=False).differences == {}
        answer = database.call("auth_sync_set_active_v1", p_employee_id=jane, p_is_active=False, p_via="admin")
        assert (answer["auth_user_id"], answer["event_id"] is not None) == (str(user), True)
        assert people(database, person="back\\slash") == [(other, "MISSING_AUTH_UID")]
        assert people(database, person="jane") == [(jane, "INACTIVE_WITH_AUTH")]
        assert people(database, sync_status="UNUSABLE_EMAIL") == [(unusable, "UNUSABLE_EMAIL")]
        assert employees.problems(database)["MISSING_AUTH_UID"] == 1
        found = database.call("auth_sync_search_v1", p_filter={"person": "jane"}, p_below=None, p_limit=10)
        assert [event["operation"] for event in found["events"]] == ["disable_auth_user", "INSERT"]
        without = database.call("auth_sync_without_login_v1", p_after=0, p_limit=10, p_orphans=True)
        assert [employee["employee_id"] for employee in without["employees"]] == [other, unusable]
        wrong = [finding for finding in examined(database) if finding.level is Level.WRONG]
        assert {finding.check for finding in wrong} <= {"actions", "auth"}, wrong
    finally:
        database.close()
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select public.auth_sync_install_v1()").fetchone() == ([],)
        keys = connection.execute(KEYS).fetchone()
        assert keys is not None
        assert len(keys[0]) == 2


def people(database: DirectDatabase, **filter: str) -> list[tuple[int, str]]:
    """The employee_id and sync_status of the employees that match."""
    page = employees.people(database, filter, after=None, limit=10)
    return [(employee["employee_id"], employee["sync_status"]) for employee in page["employees"]]
