"""Provisioning that was cut off: the next run finishes it, and nobody gets two logins, or a wrong password."""

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
from webhook_service.outbound.provision import LONGEST_WAIT
from webhook_service.ports import Database


@pytest.fixture
def office(database_url: str, database: Database, connection: Connection) -> Iterator[Office]:
    with open_office(database_url, database, connection) as office:
        yield office


class Killed(BaseException):
    """The process is no more."""


class DyingAdmin:
    """Calls Auth, and dies when its answer to a creation has come."""

    def __init__(self, admin: SupabaseAuthAdmin) -> None:
        self._admin = admin
        self.get, self.invite, self.update = admin.get, admin.invite, admin.update
        self.delete, self.close = admin.delete, admin.close

    def create(self, auth_user_id: UUID, email: str, *, password: str | None) -> Account:
        self._admin.create(auth_user_id, email, password=password)
        raise Killed


class DyingDatabase(CalledSoon):
    """Dies when this function has been called, its transaction done."""

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


Cut = Callable[[Office], None]


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


CUTS: dict[str, tuple[Cut, int]] = {
    "intent": (after_the_intent, 2),
    "announcement": (after_the_announcement, 2),
    "auth user": (after_auth, 1),
    "link": (after_the_link, 1),
}
"""After which step a run is cut off, and how many logins are left to create then."""


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("is_over", [True, False], ids=["lease over", "under lease"])
def test_a_run_that_was_cut_off(office: Office, connection: Connection, name: str, is_over: bool) -> None:
    """After each of its steps: the next run finishes, at once or when it has waited for the lease to end."""
    hire_many(connection, 2)
    cut, left = CUTS[name]
    with pytest.raises(Killed):
        cut(office)
    if is_over:
        office.end_leases()
    office.end_leases_at_each_wait()
    done = office.run()
    assert (done.created, done.under_way, done.refused) == (left, set(), {})
    assert_each_once(office, 2)
    assert bool(office.waits) == (not is_over and name != "link")


def test_a_run_that_was_cut_off_before_the_invitation(office: Office, connection: Connection) -> None:
    """The auth user is there, the invitation is not: the next run sees that it goes out, and only once."""
    hire_many(connection, 1)
    assert isinstance(office.admin, SupabaseAuthAdmin)
    with pytest.raises(Killed):
        office.run(admin=DyingAdmin(office.admin), invite=True)
    office.end_leases()
    office.run(invite=True)
    invited = connection.execute("select invited_at is not null as is_invited from auth.users").fetchall()
    assert [row["is_invited"] for row in invited] == [True]
    assert (len(logins(connection)), office.server.count("POST", "/invite")) == (1, 1)


def test_what_the_webhook_has_linked_meanwhile(office: Office, connection: Connection) -> None:
    """The event of the auth user was faster than the next run: its intent ends as well, and nobody is begun again."""
    hire_many(connection, 2)
    with pytest.raises(Killed):
        after_auth(office)
    relay_all(office.database)
    assert employee(connection, 1)["auth_user_id"] is not None
    office.end_leases()
    assert office.run().created == 1
    assert_each_once(office, 2)


def test_a_request_that_arrives_after_the_kill(office: Office, connection: Connection) -> None:
    """Auth carries it out when nobody waits for it any more; its password was announced, and is the one that counts."""
    hire_many(connection, 1)
    with pytest.raises(Killed):
        after_the_announcement(office)
    password = office.passwords()["user1@example.com"]
    office.admin.create(auth_user_of_the_intent(connection), "user1@example.com", password=password)
    office.end_leases()
    assert office.run().seen == 0
    assert_each_once(office, 1)


def test_a_password_that_cannot_be_kept(office: Office, connection: Connection) -> None:
    """The disk is full: the run ends, and no login is created whose password nobody has."""
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


def test_a_first_try_to_finish_that_failed(office: Office, connection: Connection) -> None:
    """Auth could not say what had become of it: the next try finishes it."""
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
    """There is one intent."""
    [intent] = connection.execute("select auth_user_id from integration_sync_log where direction = 'outbound'")
    return UUID(str(intent["auth_user_id"]))


def needs_attention(office: Office) -> UUID:
    """An intent whose process is gone, and that no relay tries any more: the id of its auth user."""
    with pytest.raises(Killed):
        after_auth(office)
    office.connection.execute(
        "update integration_sync_log set status = 'FAILED', outcome = 'not_performed', error_message = 'tired',"
        " next_attempt_at = null, lease = null, leased_until = null where operation = 'create_auth_user'"
    )
    return auth_user_of_the_intent(office.connection)


def test_what_was_given_up(office: Office, connection: Connection) -> None:
    """It is tried again, as a person asks for it."""
    hire_many(connection, 2)
    needs_attention(office)
    assert office.run().created == 1
    assert_each_once(office, 2)


def test_what_cannot_be_finished(office: Office, connection: Connection) -> None:
    """It says who it is, and why; nobody gets a second login, and the others get theirs."""
    first, _ = hire_many(connection, 2)
    user = needs_attention(office)
    office.server.fail_next(*[Fault(400, "validation_failed")] * 2, path=f"{USERS}/{user}")
    done = office.run()
    assert (done.refused, done.created, done.under_way) == ({first: "auth_refused validation_failed"}, 1, set())
    assert len(office.announced) == 2


def test_what_is_tried_again_later(office: Office, connection: Connection) -> None:
    """Not before its time: nobody asks Auth about it every second."""
    first, _ = hire_many(connection, 2)
    user = needs_attention(office)
    later = "update integration_sync_log set next_attempt_at = now() + interval '1 hour' where status = 'FAILED'"
    connection.execute(later)
    done = office.run()
    assert (done.created, done.under_way) == (1, {first})
    assert office.server.count(path=f"{USERS}/{user}") == 0


def test_one_that_stays_under_way(office: Office, connection: Connection) -> None:
    """The wait for others is bounded; who they are is told, and the rest is done."""
    first, _ = hire_many(connection, 2)
    with pytest.raises(Killed):
        after_the_intent(office)
    forever = "update integration_sync_log set leased_until = now() + interval '1 hour'"
    connection.execute(forever + " where status = 'PENDING'")
    done = office.run()
    assert (done.created, done.under_way, sum(office.waits)) == (1, {first}, LONGEST_WAIT + 1)
    assert [text for text in office.said if "1 are under way" in text]


def test_no_password_is_kept(office: Office, connection: Connection) -> None:
    """Nowhere in the database, also not of a run that was cut off."""
    hire_many(connection, 3)
    office.run(limit=1)
    with pytest.raises(Killed):
        after_the_announcement(office)
    kept = whole_database(connection)
    assert len(office.announced) == 2
    assert [password for _, _, password in office.announced if password and password in kept] == []
