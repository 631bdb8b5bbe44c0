"""One directory manages an employee, also when several act at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from tests.employees import Connection, employee, hire
from tests.integration.scim.directories import JANE, Directory, directory
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import ServiceError
from webhook_service.ports import Database
from webhook_service.scim.clients import revoke
from webhook_service.scim.refusals import Managed, NoSuchPerson, Uniqueness


def managers(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.execute(
        "select c.name, p.employee_id from auth_sync_scim_people p join auth_sync_scim_clients c using (client_id)"
        " where p.manages order by 1, 2"
    )
    return [(row["name"], row["employee_id"]) for row in rows]


def test_another_directory_cannot_write(database: Database, connection: Connection) -> None:
    """While a directory manages an employee, another one reads the employee, but cannot write it."""
    okta, entra = directory(database), directory(database, "entra")
    made = okta.create(**JANE)
    with pytest.raises(Managed, match="okta"):
        entra.change(made, active=False)
    with pytest.raises(Managed, match="okta"):
        entra.delete(made)
    with pytest.raises(Uniqueness):
        entra.create(**JANE)
    assert entra.get(made).external_id is None
    assert employee(connection, int(made.id))["is_active"] is True
    assert managers(connection) == [("okta", int(made.id))]


def test_the_first_write_takes_an_employee(database: Database, connection: Connection) -> None:
    """A directory manages an employee from its first write on, also one that changes nothing."""
    okta, entra = directory(database), directory(database, "entra")
    jane = hire(connection, "jane@example.com")
    assert okta.get(jane).active is True
    assert managers(connection) == []
    okta.change(jane, email="jane@example.com")
    with pytest.raises(Managed):
        entra.change(jane, first_name="Janet")


def test_a_revoked_directory_manages_nobody(database: Database, connection: Connection) -> None:
    """After the last token is revoked, another directory can take a person over. Then the first one cannot write."""
    okta, entra = directory(database), directory(database, "entra")
    made = okta.create(**JANE)
    second = directory(database)
    [first_id, _] = connection.execute("select token_id from auth_sync_scim_tokens where client_id = 1").fetchall()
    revoke(database, token_id=first_id["token_id"], requested_by="test")
    with pytest.raises(Managed):
        entra.change(made, first_name="Janet")
    revoke(database, name="okta", requested_by="test")
    assert entra.change(made, first_name="Janet").first_name == "Janet"
    assert managers(connection) == [("entra", int(made.id))]
    with pytest.raises(Managed, match="entra"):
        second.change(made, first_name="Jane")


def test_a_new_token_continues(database: Database, connection: Connection) -> None:
    """A new token of a directory of which all tokens are revoked continues with its people and their externalIds."""
    made = directory(database).create(**JANE)
    revoke(database, name="okta", requested_by="test")
    again, entra = directory(database), directory(database, "entra")
    assert again.get(made).external_id == "x1"
    with pytest.raises(Managed):
        entra.change(made, first_name="Janet")
    assert again.change(made, first_name="Janet").first_name == "Janet"


def test_a_deleted_person_has_no_manager(database: Database, connection: Connection) -> None:
    """A person that a directory has deleted can be taken by another one, and not be taken back."""
    okta, entra = directory(database), directory(database, "entra")
    made = okta.create(**JANE)
    okta.delete(made)
    assert entra.create(**JANE).id == made.id
    with pytest.raises(Uniqueness):
        okta.create(**JANE)
    with pytest.raises(NoSuchPerson):
        okta.change(made, active=False)
    assert managers(connection) == [("entra", int(made.id))]


def test_a_released_person_is_free_for_others(database: Database, connection: Connection) -> None:
    """A release hides a person from its directory only. Another one manages the person from its next write on."""
    okta, entra = directory(database), directory(database, "entra")
    made = okta.create(**JANE)
    assert database.call("auth_sync_scim_release_v1", p_employee_id=int(made.id)) == "okta"
    with pytest.raises(NoSuchPerson):
        okta.get(made)
    assert entra.get(made).email == "jane@example.com"
    assert managers(connection) == []
    entra.change(made, external_id="e1")
    assert managers(connection) == [("entra", int(made.id))]
    with pytest.raises(Uniqueness):
        okta.create(**JANE)
    database.call("auth_sync_scim_release_v1", p_employee_id=int(made.id))
    assert okta.create(**JANE).id == made.id
    with pytest.raises(NoSuchPerson):
        entra.get(made)


def at_once(database_url: str, acts: list[tuple[Directory, str, Any]]) -> list[Any]:
    """Perform the acts at the same time, each over a separate connection, and return the results or errors."""
    together = Barrier(len(acts))

    def perform(act: tuple[Directory, str, Any]) -> Any:
        who, method, arguments = act
        database = DirectDatabase(database_url)
        try:
            database.call("auth_sync_scim_tokens_v1")
            own = Directory(type(who.store)(database), who.client, who.token)
            together.wait()
            return getattr(own, method)(**arguments)
        except ServiceError as error:
            return error
        finally:
            database.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(perform, acts))


def test_two_directories_write_at_once(database: Database, database_url: str, connection: Connection) -> None:
    """Of two directories that take an employee at once, one does, and the other is refused after it."""
    okta, entra = directory(database), directory(database, "entra")
    jane = hire(connection, "jane@example.com")
    with psycopg.connect(database_url) as holder:
        holder.execute("select from public.employees for update")
        with ThreadPoolExecutor(2) as pool:
            acts = [pool.submit(each.change, jane, first_name=each.client.name) for each in (okta, entra)]
            wait_for_locks(connection, 2)
            holder.rollback()
            results = [act.exception() for act in acts]
    assert sorted(type(each).__name__ for each in results) == ["Managed", "NoneType"]
    winner = okta if results[0] is None else entra
    assert employee(connection, jane)["first_name"] == winner.client.name
    assert managers(connection) == [(winner.client.name, jane)]


def wait_for_locks(connection: Connection, number: int) -> None:
    """Wait until so many sessions of this database wait for a lock."""
    sessions = "select count(*) as number from pg_stat_activity where datname = current_database()"
    waiting = f"{sessions} and wait_event_type = 'Lock'"
    while connection.execute(waiting.encode()).fetchone() != {"number": number}:
        pass


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "existing"])
def test_a_person_is_added_at_once(
    database: Database, database_url: str, connection: Connection, is_there: bool
) -> None:
    """Of several directories that add one person at once, one does. There is one employee, with one manager."""
    if is_there:
        hire(connection, "jane@example.com")
    names = ["okta", "entra", "okta", "google"]
    acts = [(directory(database, name), "create", JANE | {"external_id": str(n)}) for n, name in enumerate(names)]
    results = at_once(database_url, acts)
    assert sorted(type(each).__name__ for each in results) == ["Person", "Uniqueness", "Uniqueness", "Uniqueness"]
    [row] = connection.execute("select employee_id, email from public.employees").fetchall()
    assert row["email"] == "jane@example.com"
    assert [id for _, id in managers(connection)] == [row["employee_id"]]


def test_an_email_is_given_to_two_people_at_once(database: Database, database_url: str, connection: Connection) -> None:
    """Of two changes that give an e-mail to two people at once, one is a conflict."""
    okta = directory(database)
    people = [okta.create(email=f"{name}@example.com") for name in ("one", "two", "three")]
    results = at_once(database_url, [(okta, "change", {"person": each, "email": "new@example.com"}) for each in people])
    assert sorted(type(each).__name__ for each in results) == ["Person", "Uniqueness", "Uniqueness"]
