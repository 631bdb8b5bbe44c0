"""Requests that would cost the server much, or would leave half a change: each is refused whole."""

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import JANE, Requests, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import Settings

DEACTIVATE = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


@pytest.mark.parametrize("parameter", ["attributes", "excludedAttributes"])
def test_the_names_of_a_list_are_limited(okta: Requests, parameter: str) -> None:
    """A list of 100 names of attributes is read. A longer one is 400, because each is compared with each attribute."""
    assert okta.send("POST", "/.search", {parameter: ["x"] * 100}).status_code == 200
    assert refusal(okta.send("POST", "/.search", {parameter: ["x"] * 101})) == (400, "invalidValue")
    assert refusal(okta.send("POST", "/.search", {parameter: "x," * 101})) == (400, "invalidValue")


def addresses(first: int, number: int) -> list[Json]:
    return [{"value": f"e{each}@example.com"} for each in range(first, first + number)]


def test_the_emails_of_a_user_are_limited(okta: Requests, connection: Connection) -> None:
    """More than 100 e-mails are 400, in one value and in several operations together, and so many paths to e-mails are
    413. Nothing is changed.
    """
    made = okta.add()
    many = {"op": "add", "path": "emails", "value": addresses(0, 60)}
    more = {"op": "add", "path": "emails", "value": addresses(60, 60)}
    one_by_one = [
        {"op": "add", "path": f'emails[type eq "work" and value eq "e{each}@example.com"].type', "value": "work"}
        for each in range(101)
    ]
    assert refusal(okta.send("POST", "/Users", JANE | {"emails": addresses(0, 101)})) == (400, "invalidValue")
    assert refusal(okta.patch(made["id"], DEACTIVATE, many, more)) == (400, "invalidValue")
    for operations in (one_by_one, [{"op": "add", "value": {"emails.type": "x"}}] * 400):
        assert refusal(okta.patch(made["id"], DEACTIVATE, *operations)) == (413, None)
    assert employee(connection, int(made["id"]))["is_active"] is True
    assert okta.patch(made["id"], DEACTIVATE, many).status_code == 200


def test_the_values_of_a_body_are_limited(okta: Requests) -> None:
    """A body with more than 10,000 values is 413, because scim2-models reads each key as a path."""
    made = okta.add()
    many: dict[str, Json] = {f"x{number}": 1 for number in range(10_001)}
    assert refusal(okta.send("POST", "/Users", JANE | many)) == (413, None)
    assert refusal(okta.patch(made["id"], {"op": "replace", "value": {"active": False} | many})) == (413, None)


@pytest.mark.parametrize(
    "body",
    [
        "raise exception 'no' using errcode = '40P02';",
        "raise exception 'no' using errcode = '22012';",
        "raise exception 'no' using errcode = 'P0004';",
        "raise exception 'no' using errcode = '42P01';",
        "perform 1 / 0;",
        "assert false;",
        "return null;",
        "new.is_active := not new.is_active;",
    ],
)
def test_no_refusal_of_the_table_is_an_error_of_the_server(okta: Requests, connection: Connection, body: str) -> None:
    """A write that a trigger of employees refuses or undoes is 400, or 503 if a retry may help. Nothing is written."""
    made = okta.add()
    text = f"create function public.company() returns trigger language plpgsql as $$ begin {body} return new; end $$"
    connection.execute(text.encode())
    connection.execute(
        "create trigger company before insert or update on employees for each row execute function company()"
    )
    new = JANE | {"userName": "joe@example.com", "externalId": "x2"}
    new = {name: value for name, value in new.items() if not name.startswith("urn:")}
    answers = [
        okta.send("POST", "/Users", new),
        okta.patch(made["id"], DEACTIVATE),
        okta.send("DELETE", f"/Users/{made['id']}"),
    ]
    expected = {503} if "40P02" in body else {400}
    assert {each.status_code for each in answers} == expected, [each.text for each in answers]
    assert okta.get(f"/Users/{made['id']}").get_json(force=True) == made
    assert okta.names() == ["jane@example.com"]
    assert len(connection.execute("select from auth_sync_scim_people").fetchall()) == 1
