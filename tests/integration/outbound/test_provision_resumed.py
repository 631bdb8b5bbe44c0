"""`provision` finishes the logins that a killed run has begun. No employee gets two logins or a wrong password."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.auth_faults import BROKEN, Fault
from tests.employees import Connection, employee
from tests.in_loop import CalledSoon
from tests.integration.captured import make_due, relay_all
from tests.integration.hiring import whole_database
from tests.integration.provisioning import USERS, Office, assert_each_once, hire_many, logins, open_office
from webhook_service.auth.supabase import SupabaseAuthAdmin
from webhook_service.errors import NotPossible
from webhook_service.events import Account, Json
from webhook_service.outbound.provision import MAX_WAIT_SECONDS
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


class Killed(BaseException):
    """Raised as if the process were killed."""


class DyingAdmin:
    """An Auth Admin whose process is killed when the response to a creation has arrived."""

    def __init__(self, admin: SupabaseAuthAdmin) -> None:
        self._admin = admin
        self.get, self.invite, self.update = admin.get, admin.invite, admin.update
        self.delete, self.close = admin.delete, admin.close

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        self._admin.create(auth_user_id, email, password=password)
        raise Killed


class DyingDatabase(CalledSoon):
    """A database whose process is killed when a call of this function has been committed."""

    def __init__(self, database: Database, function: str) -> None:
        self._database = database
        self._function = function

    def call(self, function: str, **params: Json) -> Json:
        answer = self._database.call(function, **params)
        if function == self._function:
            raise Killed
        return answer

    def close(self) -> None:
        pass


def die(*_: object) -> None:
    raise Killed


Kill = Callable[[Office], None]


def after_the_intent(office: Office) -> None:
    office.run(database=DyingDatabase(office.database, "auth_sync_intend_v1"))


def after_the_announcement(office: Office) -> None:
    office.at_announcement = die
    try:
        office.run()
    finally:
        office.at_announcement = lambda employee_id: None


def after_auth(office: Office) -> None:
    assert isinstance(office.admin, SupabaseAuthAdmin)
    office.run(admin=DyingAdmin(office.admin))


def after_the_link(office: Office) -> None:
    office.run(database=DyingDatabase(office.database, "auth_sync_hire_v1"))


KILLS: dict[str, tuple[Kill, int]] = {
    "intent": (after_the_intent, 2),
    "announcement": (after_the_announcement, 2),
    "auth user": (after_auth, 1),
    "link": (after_the_link, 1),
}
"""The step after which a run is killed, and how many logins the next run must create."""


@pytest.mark.parametrize("name", KILLS)
@pytest.mark.parametrize("is_over", [True, False], ids=["lease over", "under lease"])
def test_the_next_run_finishes_a_killed_run(office: Office, connection: Connection, name: str, is_over: bool) -> None:
    """The next run finishes the logins of a run that was killed after any step, at once or after the lease."""
    hire_many(connection, 2)
    kill, left = KILLS[name]
    with pytest.raises(Killed):
        kill(office)
    if is_over:
        office.end_leases()
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.created, done.under_way, done.refused) == (left, set(), {})
    assert_each_once(office, 2)
    assert bool(office.waits) == (not is_over and name != "link")


def test_the_next_run_sends_a_missing_invitation(office: Office, connection: Connection) -> None:
    """If a run was killed before the invitation, the next run has Auth send one invitation."""
    hire_many(connection, 1)
    assert isinstance(office.admin, SupabaseAuthAdmin)
    with pytest.raises(Killed):
        office.run(admin=DyingAdmin(office.admin), invite=True)
    office.end_leases()
    office.run(invite=True)
    invited = connection.execute("select invited_at is not null as is_invited from auth.users").fetchall()
    assert [row["is_invited"] for row in invited] == [True]
    assert (len(logins(connection)), office.server.count("POST", "/invite")) == (1, 1)


def test_the_next_run_ends_the_intent_of_a_linked_employee(office: Office, connection: Connection) -> None:
    """If the auth user's event has linked the employee, the next run ends the intent without a second login."""
    hire_many(connection, 2)
    with pytest.raises(Killed):
        after_auth(office)
    relay_all(office.database)
    assert employee(connection, 1)["auth_user_id"] is not None
    office.end_leases()
    assert office.run().created == 1
    assert_each_once(office, 2)


def test_the_announced_password_is_right_if_the_call_arrives_late(office: Office, connection: Connection) -> None:
    """If Auth carries out a call after the kill, the announced password is the right one."""
    hire_many(connection, 1)
    with pytest.raises(Killed):
        after_the_announcement(office)
    password = office.passwords()["user1@example.com"]
    office.admin.create(auth_user_of_the_intent(connection), "user1@example.com", password=password)
    office.end_leases()
    assert office.run().seen == 0
    assert_each_once(office, 1)


def test_a_password_that_cannot_be_stored_ends_the_run(office: Office, connection: Connection) -> None:
    """If the disk is full, the run ends before it creates a login whose password is not stored."""
    hire_many(connection, 2)

    def full(employee_id: int) -> None:
        raise NotPossible("output_failed", "No space left on device.")

    office.at_announcement = full
    done = office.run()
    assert done.ended_by is not None
    assert (done.ended_by.reason, office.server.count("POST")) == ("output_failed", 0)
    office.at_announcement = lambda employee_id: None
    office.end_leases()
    assert office.run().created == 2
    assert_each_once(office, 2)


def test_a_run_tries_again_to_finish_an_intent(office: Office, connection: Connection) -> None:
    """A run tries again to finish an intent if Auth fails the first time."""
    hire_many(connection, 2)
    with pytest.raises(Killed):
        after_auth(office)
    office.end_leases()
    office.server.fail_next(BROKEN, path=f"{USERS}/{auth_user_of_the_intent(connection)}")
    office.at_wait = lambda seconds: make_due(connection)
    done = office.run()
    assert (done.created, done.under_way, done.refused) == (1, set(), {})
    assert_each_once(office, 2)


def auth_user_of_the_intent(connection: Connection) -> UUID:
    """Return the auth user of the only intent."""
    [intent] = connection.execute("select auth_user_id from integration_sync_log where direction = 'outbound'")
    return UUID(str(intent["auth_user_id"]))


def needs_attention(office: Office) -> UUID:
    """Leave an intent that needs attention, and return the id of its auth user."""
    with pytest.raises(Killed):
        after_auth(office)
    office.connection.execute(
        "update integration_sync_log set status = 'FAILED', outcome = 'not_performed', error_message = 'tired',"
        " next_attempt_at = null, lease = null, leased_until = null where operation = 'create_auth_user'"
    )
    return auth_user_of_the_intent(office.connection)


def test_an_intent_that_needs_attention_is_retried(office: Office, connection: Connection) -> None:
    """A run retries an intent that needs attention."""
    hire_many(connection, 2)
    needs_attention(office)
    assert office.run().created == 1
    assert_each_once(office, 2)


def test_an_intent_that_cannot_be_finished_is_reported(office: Office, connection: Connection) -> None:
    """An intent that cannot be finished is reported with its reason, and gets no second login."""
    first, _ = hire_many(connection, 2)
    user = needs_attention(office)
    office.server.fail_next(*[Fault(400, "validation_failed")] * 2, path=f"{USERS}/{user}")
    done = office.run()
    assert (done.refused, done.created, done.under_way) == ({first: "auth_refused validation_failed"}, 1, set())
    assert len(office.announced) == 2


def test_an_intent_that_is_not_due_causes_no_call(office: Office, connection: Connection) -> None:
    """A run makes no call for an intent that is not due."""
    first, _ = hire_many(connection, 2)
    user = needs_attention(office)
    later = "update integration_sync_log set next_attempt_at = now() + interval '1 hour' where status = 'FAILED'"
    connection.execute(later)
    done = office.run()
    assert (done.created, done.under_way) == (1, {first})
    assert office.server.count(path=f"{USERS}/{user}") == 0


def test_an_intent_that_stays_leased_is_reported(office: Office, connection: Connection) -> None:
    """A run waits a bounded time for another run's intent, reports it, and creates the remaining logins."""
    first, _ = hire_many(connection, 2)
    with pytest.raises(Killed):
        after_the_intent(office)
    forever = "update integration_sync_log set leased_until = now() + interval '1 hour'"
    connection.execute(forever + " where status = 'PENDING'")
    done = office.run()
    assert (done.created, done.under_way, sum(office.waits)) == (1, {first}, MAX_WAIT_SECONDS + 1)
    assert [text for text in office.said if "1 are in progress" in text]


def test_no_password_is_stored(office: Office, connection: Connection) -> None:
    """The database stores no password, even if a run was killed."""
    hire_many(connection, 3)
    office.run(limit=1)
    with pytest.raises(Killed):
        after_the_announcement(office)
    kept = whole_database(connection)
    assert len(office.announced) == 2
    assert [password for _, _, password in office.announced if password and password in kept] == []
