"""The userName of a person is apart from the e-mail: each directory has its own."""

import pytest

from tests.employees import Connection, employee, hire
from tests.integration.scim.directories import directory, where
from tests.integration.scim.requests import Requests, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.refusals import Uniqueness
from webhook_service.settings import Settings

UPN: dict[str, Json] = {"userName": "Jane.Doe@corp.example", "externalId": "x1"}
MAIL: dict[str, Json] = {"emails": [{"value": "jane@example.com", "type": "work", "primary": True}]}


@pytest.fixture
def entra(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database, "entra")


def name_and_email(requests: Requests, id: str) -> tuple[str, str]:
    user = requests.get(f"/Users/{id}").get_json(force=True)
    return user["userName"], user["emails"][0]["value"]


def test_a_user_name_is_kept_as_it_was_sent(entra: Requests, connection: Connection) -> None:
    """A user has the userName of the POST, and the employee the e-mail. A filter finds both, in any case."""
    made = entra.send("POST", "/Users", UPN | MAIL).get_json(force=True)
    assert (made["userName"], made["emails"]) == (UPN["userName"], MAIL["emails"])
    assert employee(connection, int(made["id"]))["email"] == "jane@example.com"
    for filter_, number in (
        ('userName eq "JANE.DOE@corp.example"', 1),
        ('userName sw "jane.d"', 1),
        ('userName eq "jane@example.com"', 0),
        ('userName ne "jane.doe@corp.example"', 0),
        ('emails[type eq "work"].value eq "JANE@example.com"', 1),
        ('emails.value eq "jane.doe@corp.example"', 0),
    ):
        assert entra.find(filter=filter_)["totalResults"] == number, filter_


def test_the_user_name_of_another_employee_is_the_email(
    entra: Requests, settings: Settings, database: Database, connection: Connection
) -> None:
    """Without a userName of this directory, an employee has the e-mail as userName, whatever another one has sent."""
    made = entra.send("POST", "/Users", UPN | MAIL).get_json(force=True)
    okta = requests_of(settings, database)
    assert okta.names(filter='userName eq "JANE@example.com"') == ["jane@example.com"]
    connection.execute("update employees set email = 'New@example.com'")
    assert okta.names(filter='userName eq "new@example.com" or userName eq "x"') == ["New@example.com"]
    assert name_and_email(entra, made["id"]) == (UPN["userName"], "New@example.com")


def test_a_user_name_changes_alone(entra: Requests, connection: Connection) -> None:
    """After a directory has sent emails, a new userName does not change the e-mail, nor the reverse."""
    id = entra.send("POST", "/Users", UPN | MAIL).get_json(force=True)["id"]
    assert entra.patch(id, {"op": "replace", "path": "userName", "value": "roe@corp.example"}).status_code == 200
    assert name_and_email(entra, id) == ("roe@corp.example", "jane@example.com")
    operation = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "roe@example.com"}
    assert entra.patch(id, operation).status_code == 200
    assert name_and_email(entra, id) == ("roe@corp.example", "roe@example.com")
    assert entra.send("PUT", f"/Users/{id}", UPN).status_code == 200
    assert name_and_email(entra, id) == (UPN["userName"], "roe@example.com")
    assert entra.send("PUT", f"/Users/{id}", UPN | {"userName": "jdoe"} | MAIL).status_code == 200
    assert name_and_email(entra, id) == ("jdoe", "jane@example.com")
    assert employee(connection, int(id))["email"] == "jane@example.com"


def test_a_user_name_alone_is_the_email(entra: Requests, connection: Connection) -> None:
    """The userName of a directory that sends no emails is also the e-mail, if it is an address."""
    id = entra.send("POST", "/Users", UPN).get_json(force=True)["id"]
    assert employee(connection, int(id))["email"] == "jane.doe@corp.example"
    assert entra.patch(id, {"op": "replace", "path": "userName", "value": "Roe@corp.example"}).status_code == 200
    assert name_and_email(entra, id) == ("Roe@corp.example", "roe@corp.example")
    assert entra.patch(id, {"op": "replace", "path": "userName", "value": "roe"}).status_code == 200
    assert name_and_email(entra, id) == ("roe", "roe@corp.example")
    assert refusal(entra.send("POST", "/Users", {"userName": "jdoe"})) == (400, "invalidValue")


def test_a_user_name_is_unique_in_its_directory(entra: Requests, connection: Connection) -> None:
    """Nobody gets the userName of another person of the directory, or the e-mail of an employee without a userName."""
    entra.send("POST", "/Users", UPN | MAIL)
    hire(connection, "ann@example.com")
    joe = entra.send("POST", "/Users", {"userName": "joe@example.com", "externalId": "x2"}).get_json(force=True)
    other = {"emails": [{"value": "other@example.com"}]}
    for name in ("jane.doe@CORP.example", "Ann@example.com"):
        assert refusal(entra.send("POST", "/Users", {"userName": name} | other)) == (409, "uniqueness")
        assert refusal(entra.send("PUT", f"/Users/{joe['id']}", {"userName": name} | other)) == (409, "uniqueness")
        operation = {"op": "replace", "path": "userName", "value": name}
        assert refusal(entra.patch(joe["id"], operation)) == (409, "uniqueness")
    assert entra.get(f"/Users/{joe['id']}").get_json(force=True) == joe
    assert len(connection.execute("select from employees").fetchall()) == 3


@pytest.mark.parametrize("is_added", [True, False])
def test_a_former_row_does_not_take_the_user_name(entra: Requests, connection: Connection, is_added: bool) -> None:
    """A person hired again, whose former row has the same e-mail, is provisioned, and deactivated by PUT."""
    hire(connection, "jane@example.com", employee_number="1", is_active=False)
    id = str(hire(connection, "Jane@example.com", employee_number="7"))
    if is_added:
        assert entra.add()["id"] == id
    user = entra.get(f"/Users/{id}").get_json(force=True)
    answer = entra.send("PUT", f"/Users/{id}", user | {"active": False})
    assert (answer.status_code, employee(connection, int(id))["is_active"]) == (200, False)


def test_the_attribute_of_a_taken_email_is_named(entra: Requests, connection: Connection) -> None:
    """A 409 names the attribute that the directory has sent: emails, or userName."""
    hire(connection, "ann@example.com")
    id = entra.send("POST", "/Users", UPN).get_json(force=True)["id"]
    taken = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "Ann@example.com"}
    assert "emails.value" in entra.patch(id, taken).text
    assert "userName" in entra.patch(id, {"op": "replace", "value": {"userName": "Ann@example.com"}}).text


def test_a_deleted_user_name_may_come_again(database: Database, connection: Connection) -> None:
    """The userName of a deleted person, or of an employee whose row is gone, is free."""
    entra = directory(database, "entra")
    jane = entra.create(email="jane@example.com", user_name="jd", external_id="x1", email_parts={})
    with pytest.raises(Uniqueness, match="userName"):
        entra.create(email="joe@example.com", user_name="JD")
    entra.delete(jane)
    assert entra.find(where("user_name", "eq", "jd")) == []
    joe = entra.create(email="joe@example.com", user_name="JD")
    connection.execute("delete from employees where employee_id = %s", [int(joe.id)])
    again = entra.create(email="jane@example.com", user_name="jd")
    assert (again.id, again.user_name, again.email_parts) == (jane.id, "jd", None)


def test_two_directories_have_two_user_names(database: Database) -> None:
    """One employee has another userName in each directory, and each is unique in its directory only."""
    okta, entra = directory(database), directory(database, "entra")
    jane = okta.create(email="jane@example.com", user_name="jd")
    assert entra.get(jane).user_name is None
    joe = entra.create(email="joe@example.com", user_name="jd")
    assert [each.id for each in okta.find(where("user_name", "eq", "JD"))] == [jane.id]
    assert [each.id for each in entra.find(where("user_name", "eq", "JD"))] == [joe.id]
