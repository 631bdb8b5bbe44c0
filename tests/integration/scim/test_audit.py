"""Each request of a directory is in the audit once, with its directory, what it does, and the result."""

from typing import Any

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import JANE, PATCH_URN, Requests, requests_of
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.scim import audit
from webhook_service.scim.clients import revoke
from webhook_service.settings import ScimSettings, Settings

OFF = {"op": "replace", "path": "active", "value": False}
LIST, READ, EDIT, CREATE = "list employees", "read an employee", "edit an employee", "create an employee"


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


def entries(connection: Connection) -> list[dict[str, Any]]:
    """The entries of directories, oldest first."""
    return connection.execute("select * from auth_sync_audit where who like 'directory %' order by id").fetchall()


def in_short(connection: Connection) -> list[tuple[Any, ...]]:
    names = ("action", "target", "result", "reason", "is_request")
    return [tuple(entry[name] for name in names) for entry in entries(connection)]


def test_a_read_is_in_the_audit_once(okta: Requests, connection: Connection) -> None:
    """Each read is one entry with the directory, the user, the result and the HTTP status."""
    made = okta.add()
    id, kept = made["id"], made["meta"]["version"]
    okta.find(filter='userName eq "jane@example.com"')
    okta.send("POST", "/.search", {"filter": 'name.familyName co "Doe"'})
    okta.get(f"/Users/{id}")
    okta.get(f"/Users/{id}", If_None_Match=kept)
    okta.get("/Users/99")
    okta.get("/Users/jane@example.com")
    okta.get('/Users?filter=userName eq "jane@example.com')
    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Groups"):
        okta.get(path)
    assert in_short(connection)[1:] == [
        (LIST, None, "done", None, True),
        ("search employees", None, "done", None, True),
        (READ, f"employee:{id}", "done", None, True),
        (READ, f"employee:{id}", "done", "304 Not Modified", True),
        (READ, "employee:99", "refused", "404 Not Found", True),
        (READ, None, "refused", "404 Not Found", True),
        (LIST, None, "refused", "400 Bad Request", True),
        *[(audit.DESCRIBE, None, "done", None, True)] * 3,
        (audit.UNKNOWN, None, "refused", "404 Not Found", True),
    ]
    assert {entry["who"] for entry in entries(connection)} == {"directory okta"}
    assert [entry["details"]["status"] for entry in entries(connection)[1:5]] == [200, 200, 200, 304]


def test_a_write_is_in_the_audit_once(okta: Requests, connection: Connection) -> None:
    """A write and its refusal are one act each. A write that changes nothing or is refused earlier is one request."""
    id = okta.add()["id"]
    okta.patch(id, OFF)
    okta.patch(id, OFF)
    okta.send("POST", "/Users", JANE)
    okta.send("POST", "/Users", {"userName": "jane"})
    okta.send("POST", "/Users", [])
    okta.patch("99", OFF)
    okta.patch(id, OFF, If_Match='W/"old"')
    okta.send("PUT", "/Users")
    okta.send("DELETE", f"/Users/{id}")
    okta.send("DELETE", f"/Users/{id}")
    taken = "Another user has this value of employeeNumber."
    assert in_short(connection) == [
        (CREATE, f"employee:{id}", "done", None, False),
        ("deactivate", f"employee:{id}", "done", None, False),
        (EDIT, f"employee:{id}", "done", None, True),
        (CREATE, None, "refused", taken, False),
        (CREATE, None, "refused", "400 Bad Request", True),
        (CREATE, None, "refused", "400 Bad Request", True),
        (EDIT, "employee:99", "refused", "404 Not Found", True),
        (EDIT, f"employee:{id}", "refused", "412 Precondition Failed", True),
        (audit.UNKNOWN, None, "refused", "405 Method Not Allowed", True),
        ("deactivate", f"employee:{id}", "done", None, False),
        ("delete an employee", f"employee:{id}", "refused", "404 Not Found", True),
    ]


def test_a_bulk_request_is_in_the_audit(okta: Requests, connection: Connection) -> None:
    """A bulk request is one request with the number of its operations by status. Its writes are acts."""
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "1", "data": JANE},
        {"method": "PATCH", "path": "/Users/99", "data": {"schemas": [PATCH_URN], "Operations": [OFF]}},
        {"method": "DELETE", "path": "/Users/98"},
    ]
    assert okta.send("POST", "/Bulk", {"Operations": operations}).status_code == 200
    okta.send("POST", "/Bulk", {})
    found = entries(connection)
    assert [(each["action"], each["result"], each["is_request"]) for each in found] == [
        (CREATE, "done", False),
        ("send a bulk request", "done", True),
        ("send a bulk request", "refused", True),
    ]
    assert found[1]["details"] == {"status": 200, "statuses": {"201": 1, "404": 2}}


def test_the_audit_has_no_values_of_a_request(okta: Requests, connection: Connection) -> None:
    """No entry has a value of a filter, of a path or of a body."""
    okta.add()
    okta.find(filter='userName eq "jane@example.com" or name.familyName eq "Doe"', sortBy="userName")
    okta.get("/Users/jane@example.com")
    okta.get("/jane@example.com")
    okta.get('/Users?filter=userName foo "jane@example.com"')
    okta.send("POST", "/Users", {"userName": "jane@example.com", "name": "Doe"})
    assert len(entries(connection)) == 6
    assert not [text for text in ("jane", "Doe") if text in str(entries(connection))]


def test_a_method_that_does_not_exist_is_an_unknown_request(
    settings: Settings, database: Database, connection: Connection
) -> None:
    """OPTIONS is refused and counted by SCIM_RATE, on each path, and is recorded as an unknown request."""
    okta = requests_of(settings, database, scim=ScimSettings(rate=2))
    sent = [okta.send("OPTIONS", path).status_code for path in ("/Bulk", "/Users/14", "/Bulk")]
    assert sent == [405, 405, 429]
    assert [(each["action"], each["target"]) for each in entries(connection)][:2] == [(audit.UNKNOWN, None)] * 2


def test_requests_beyond_the_rate_are_counted(settings: Settings, database: Database, connection: Connection) -> None:
    """Successive requests that get 429 are one entry with their number, so that they do not fill the table."""
    okta = requests_of(settings, database, scim=ScimSettings(rate=1))
    sent = [okta.get(path).status_code for path in ("/Users", "/Users", "/Users/1", "/Users")]
    assert sent == [200, 429, 429, 429]
    connection.execute("update auth_sync_audit set at = at - interval '61 seconds'")
    okta.get("/Users")
    _, first, second = entries(connection)
    assert (first["action"], first["reason"]) == ("send too many requests", "429 Too Many Requests")
    assert first["details"] == {"status": 429, "requests": {LIST: 2, READ: 1}}
    assert second["details"] == {"status": 429, "requests": {LIST: 1}}


def test_a_revoked_token_is_in_the_audit(okta: Requests, database: Database, connection: Connection) -> None:
    """Requests with a revoked token are counted with their directory. Those with an unknown token name nobody."""
    okta.get("/Users", Authorization="Bearer scim_" + "a" * 43)
    okta.get("/Users", Authorization="")
    assert entries(connection) == []
    revoke(database, name="okta", requested_by="Kim")
    assert [okta.get("/Users").status_code, okta.get("/Users").status_code] == [401, 401]
    [entry] = entries(connection)
    assert (entry["action"], entry["result"]) == ("use a revoked token", "refused")
    assert entry["details"] == {"status": 401, "requests": {LIST: 2}}


def test_a_read_that_cannot_be_audited_is_refused(okta: Requests, connection: Connection) -> None:
    """Without its entry in the audit, a read gets an error and no data. A write is in its own transaction."""
    okta.add()
    connection.execute("alter table auth_sync_audit add constraint no_requests check (not is_request)")
    answers = [okta.get("/Users"), okta.get("/Users/1"), okta.get("/Users/99")]
    assert [answer.status_code >= 500 for answer in answers] == [True] * 3
    assert not [answer for answer in answers if "jane" in answer.text]
    assert okta.patch("1", OFF).status_code == 200
    assert employee(connection, 1)["is_active"] is False


def test_a_bulk_request_that_cannot_be_audited_is_answered(okta: Requests, connection: Connection) -> None:
    """The answer to a bulk request names what was written, also without its entry. A refused one gets an error."""
    connection.execute("alter table auth_sync_audit add constraint no_requests check (not is_request)")
    operation = {"method": "POST", "path": "/Users", "bulkId": "1", "data": JANE}
    made = okta.send("POST", "/Bulk", {"Operations": [operation]})
    assert (made.status_code, made.get_json(force=True)["Operations"][0]["status"]) == (200, "201")
    assert [entry[:3] for entry in in_short(connection)] == [(CREATE, "employee:1", "done")]
    assert okta.send("POST", "/Bulk", {}).status_code >= 500


def test_only_a_request_of_one_user_names_an_employee(
    okta: Requests, database: Database, connection: Connection
) -> None:
    """The id of a schema is not that of an employee, and an entry that counts requests names nobody."""
    okta.get("/Schemas/12")
    okta.get("/ResourceTypes/13")
    revoke(database, name="okta", requested_by="Kim")
    okta.get("/Users/14")
    assert [entry["target"] for entry in entries(connection)] == [None] * 3


def test_each_view_has_a_name_in_the_audit(settings: Settings, database: Database) -> None:
    """The audit has words for each view of the server, so that no request lacks its entry."""
    rules = create_app(settings, database).url_map.iter_rules()
    views = {rule.endpoint.removeprefix("scim.") for rule in rules if rule.endpoint.startswith("scim.")}
    assert views == set(audit.ACTIONS)
    assert views > audit.WRITES
