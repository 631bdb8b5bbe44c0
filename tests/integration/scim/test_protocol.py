"""The parts of the protocol that do not depend on a vendor: versions, bulk requests, discovery and errors."""

import json
import logging
from dataclasses import replace

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import JANE, PATCH_URN, Requests, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import CORE, ENTERPRISE
from webhook_service.settings import ScimSettings, Settings

DEACTIVATE = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
def okta(settings: Settings, database: Database) -> Requests:
    return requests_of(settings, database)


def test_a_known_version_is_not_sent_again(okta: Requests) -> None:
    """A GET with the version in If-None-Match answers 304 without a body. A changed user is sent."""
    made = okta.add()
    etag = made["meta"]["version"]
    for known in (etag, "*", f'"x", {etag}'):
        answer = okta.get(f"/Users/{made['id']}", If_None_Match=known)
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
    okta.patch(made["id"], DEACTIVATE)
    assert okta.get(f"/Users/{made['id']}", If_None_Match=etag).status_code == 200


def test_a_change_may_demand_a_version(okta: Requests) -> None:
    """PUT, PATCH and DELETE with an old version in If-Match answer 412 and change nothing. `*` is any version."""
    made = okta.add()
    path, old = f"/Users/{made['id']}", made["meta"]["version"]
    changed = okta.patch(made["id"], DEACTIVATE, If_Match=old)
    assert changed.status_code == 200
    new = changed.headers["ETag"]
    assert new != old
    assert refusal(okta.send("PUT", path, JANE, If_Match=old)) == (412, None)
    assert refusal(okta.patch(made["id"], {"op": "remove", "path": "name"}, If_Match=old)) == (412, None)
    assert refusal(okta.send("DELETE", path, If_Match="malformed")) == (412, None)
    assert okta.get(path).headers["ETag"] == new
    assert okta.send("PUT", path, JANE, If_Match=f"{old}, {new}").status_code == 200
    assert okta.patch(made["id"], DEACTIVATE, If_Match="*").status_code == 200
    assert okta.send("DELETE", path, If_Match=new).status_code == 204


def bulk(okta: Requests, *operations: Json, **members: Json) -> list[Json]:
    """The results of a bulk request, which must be possible."""
    answer = okta.send("POST", "/Bulk", {"Operations": list(operations), **members})
    assert answer.status_code == 200, answer.text
    results: list[Json] = answer.get_json(force=True)["Operations"]
    return results


def post(bulk_id: str, **changes: Json) -> dict[str, Json]:
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": JANE | changes}


def test_a_bulk_request_has_independent_operations(okta: Requests, connection: Connection) -> None:
    """Each operation has its own result, and a refused one does not stop the others."""
    results = bulk(
        okta,
        post("a"),
        post("b"),
        {"method": "patch", "path": "/Users/bulkId:a", "data": {"Operations": [DEACTIVATE]}},
        {"method": "PUT", "path": "/Users/bulkId:a", "data": JANE, "version": 'W/"old"'},
        {"method": "PATCH", "path": "/Users/bulkId:b", "data": {"Operations": [DEACTIVATE]}},
        {"method": "DELETE", "path": "/Users/0"},
    )
    assert [each["status"] for each in results] == ["201", "409", "200", "412", "400", "404"]
    assert results[0]["bulkId"] == "a"
    assert results[0]["location"].startswith("/scim/v2/Users/")
    assert results[0]["version"] != results[2]["version"]
    assert results[1]["response"]["scimType"] == "uniqueness"
    assert employee(connection, int(results[0]["location"].rpartition("/")[2]))["is_active"] is False
    assert [each["status"] for each in bulk(okta, {"method": "DELETE", "path": results[0]["location"][8:]})] == ["204"]


def test_a_bulk_request_ends_after_its_errors(okta: Requests) -> None:
    """After `failOnErrors` errors, the other operations are not performed."""
    wrong = {"method": "DELETE", "path": "/Users/0"}
    results = bulk(okta, wrong, post("a"), wrong, post("b", userName="b@example.com"), failOnErrors=2)
    assert [each["status"] for each in results] == ["404", "201", "404"]
    assert okta.names() == ["jane@example.com"]


NESTED: Json = json.loads("[" * 600 + "]" * 600)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (5, "invalidSyntax"),
        ({}, "invalidSyntax"),
        ({"method": "GET", "path": "/Users"}, "invalidSyntax"),
        ({"method": 5, "path": "/Users"}, "invalidSyntax"),
        ({"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": {}}, "invalidPath"),
        ({"method": "DELETE", "path": "/Groups/5"}, "invalidPath"),
        ({"method": "PUT", "path": "/Users", "data": JANE}, "invalidPath"),
        ({"method": "PUT", "path": 5, "data": JANE}, "invalidPath"),
        ({"method": "PUT", "path": "/Users/bulkId:none", "data": JANE}, "invalidPath"),
        ({"method": "POST", "path": "/Users", "data": JANE}, "invalidSyntax"),
        ({"method": "POST", "path": "/Users", "bulkId": 5, "data": JANE}, "invalidSyntax"),
        ({"method": "POST", "path": "/Users", "bulkId": "a"}, "invalidSyntax"),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "x"}}, "invalidValue"),
        ({"method": "POST", "path": "/Users", "bulkId": "a", "data": JANE | {"x": NESTED}}, "invalidSyntax"),
        ({"method": "PATCH", "path": "/Users/1", "data": NESTED}, "invalidSyntax"),
        ({"method": "DELETE", "path": "/Users/1", "version": 5}, "invalidSyntax"),
        ({"method": "DELETE", "Method": "PUT", "path": "/Users/1"}, "invalidSyntax"),
    ],
)
def test_a_bad_operation_fails_alone(okta: Requests, operation: Json, kind: str) -> None:
    """A malformed operation is 400, and the next operation is performed."""
    results = bulk(okta, operation, post("good", userName="good@example.com"))
    assert [each["status"] for each in results] == ["400", "201"]
    assert results[0]["response"]["scimType"] == kind


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], (400, "invalidSyntax")),
        ({}, (400, "invalidSyntax")),
        ({"Operations": {}}, (400, "invalidSyntax")),
        ({"Operations": [], "failOnErrors": 0}, (400, "invalidSyntax")),
        ({"Operations": [], "failOnErrors": "1"}, (400, "invalidSyntax")),
        ({"Operations": [5] * 201}, (413, None)),
    ],
)
def test_a_bad_bulk_request_is_refused(okta: Requests, body: Json, expected: tuple[int, str | None]) -> None:
    """A malformed bulk request and one with too many operations are refused whole."""
    assert refusal(okta.send("POST", "/Bulk", body)) == expected


def test_each_operation_counts_for_the_rate(settings: Settings, database: Database) -> None:
    """A bulk request counts as many requests as it has operations. A larger one than SCIM_RATE takes a whole minute."""
    wrong = {"method": "DELETE", "path": "/Users/0"}
    for number, scim in ((8, ScimSettings(rate=10)), (20, ScimSettings(rate=10))):
        okta = requests_of(settings, database, f"okta{number}", scim)
        assert len(bulk(okta, *[wrong] * number)) == number
        assert refusal(okta.send("POST", "/Bulk", {"Operations": [wrong] * 8})) == (429, None)
    joe = requests_of(settings, database, "joe", ScimSettings(rate=1))
    assert refusal(joe.send("POST", "/Bulk", {})) == (400, "invalidSyntax")
    assert refusal(joe.get("/Users")) == (429, None)


def test_the_server_describes_itself(okta: Requests) -> None:
    """The discovery resources have the features, the types and the schemas of the server."""
    config = okta.get("/ServiceProviderConfig").get_json(force=True)
    assert config["bulk"] == {"supported": True, "maxOperations": 200, "maxPayloadSize": 1_000_000}
    assert all(config[each]["supported"] for each in ("patch", "filter", "sort", "etag"))
    types = okta.get("/ResourceTypes").get_json(force=True)
    assert [(each["id"], each["endpoint"]) for each in types["Resources"]] == [("User", "/Users")]
    schemas = okta.get("/Schemas").get_json(force=True)
    assert [each["id"] for each in schemas["Resources"]] == [CORE, ENTERPRISE]
    for each in (*types["Resources"], *schemas["Resources"]):
        assert okta.get(each["meta"]["location"].removeprefix("/scim/v2")).get_json(force=True) == each
    assert refusal(okta.get("/Schemas/unknown")) == (404, None)
    assert refusal(okta.get("/Schemas?filter=x")) == (403, None)


def test_a_location_is_at_the_public_url(okta: Requests, settings: Settings, database: Database) -> None:
    """A location has PUBLIC_URL. Without it, it is a path, because the Host header may be forged."""
    public = replace(settings, pages=replace(settings.pages, public_url="https://sync.example.com/x"))
    for client, base in ((requests_of(public, database, "entra"), "https://sync.example.com/x"), (okta, "")):
        name = f"{client.directory.client.name}@example.com"
        made = client.send("POST", "/Users", {"userName": name}, Host="evil.example")
        assert made.headers["Location"] == f"{base}/scim/v2/Users/{made.get_json(force=True)['id']}"
        assert made.headers["Location"] == made.get_json(force=True)["meta"]["location"]
        assert "evil" not in made.text + client.get("/Schemas", Host="evil.example").text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "/", 404),
        ("GET", "/Groups", 404),
        ("GET", "/Users/5/x", 404),
        ("GET", "/Users/x", 404),
        ("GET", "/Users/" + "9" * 40, 404),
        ("GET", "/Users/-1", 404),
        ("GET", "/Users/%00", 404),
        ("PUT", "/Users", 405),
        ("DELETE", "/ServiceProviderConfig", 405),
        ("GET", "/Bulk", 405),
        ("OPTIONS", "/Bulk", 405),
        ("OPTIONS", "/Users/1", 405),
        ("TRACE", "/Users", 405),
        ("GET", "/Me", 501),
    ],
)
def test_another_path_is_refused(okta: Requests, method: str, path: str, status: int) -> None:
    """A path or a method that does not exist is refused in the form of SCIM."""
    assert refusal(okta.send(method, path)) == (status, None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "invalidSyntax"),
        (b"{", "invalidSyntax"),
        (b"\xff", "invalidSyntax"),
        (b'{"userName": "a@b.com", "userName": "c@b.com"}', "invalidSyntax"),
        (b'{"userName": "a@b.com", "UserName": "c@b.com"}', "invalidSyntax"),
        (b'{"userName": "a@b.com", "x": ' + b"[" * 9000 + b"]" * 9000 + b"}", "invalidSyntax"),
        (b'{"userName": "a\\u0000@b.com"}', "invalidValue"),
        (b'{"userName": "a@b.com", "title": "\\ud800"}', "invalidValue"),
        (b'{"userName": "a@b.com", "name": {"givenName": "\\u001b"}}', "invalidValue"),
    ],
)
def test_a_bad_body_is_refused(okta: Requests, body: bytes, kind: str) -> None:
    """A body that is not JSON, or has an impossible text, is 400."""
    headers = {"Authorization": f"Bearer {okta.directory.token}"}
    assert refusal(okta.client.post("/scim/v2/Users", data=body, headers=headers)) == (400, kind)


def test_a_large_body_is_refused(okta: Requests) -> None:
    """A body over MAX_BODY_BYTES is 413."""
    assert refusal(okta.send("POST", "/Users", JANE | {"x": "x" * 1_000_000})) == (413, None)


def test_a_patch_is_whole(okta: Requests) -> None:
    """If one operation is refused, none is applied."""
    made = okta.add()
    assert refusal(okta.patch(made["id"], DEACTIVATE, {"op": "add", "path": "userName"})) == (400, "invalidValue")
    assert refusal(okta.patch(made["id"], DEACTIVATE, {"op": "add", "path": "x[", "value": 1})) == (400, "invalidPath")
    body = {"schemas": [PATCH_URN], "Operations": [DEACTIVATE] * 1001}
    assert refusal(okta.send("PATCH", f"/Users/{made['id']}", body)) == (413, None)
    assert okta.get(f"/Users/{made['id']}").get_json(force=True) == made


def test_no_value_is_logged(okta: Requests, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the log nor an error has a value of a request, or the token."""
    caplog.set_level(logging.DEBUG)
    answers = [
        okta.send("POST", "/Users", {"userName": "canary", "title": "canary"}),
        okta.get('/Users?filter=meta.created eq "canary"'),
        okta.patch(okta.add(userName="canary@example.com")["id"], {"op": "add", "path": "active", "value": "canary"}),
        okta.send("POST", "/Users", JANE | {"userName": "canary@example.com"}),
    ]
    assert [each.status_code for each in answers] == [400, 400, 400, 409]
    assert not any("canary" in each.text for each in answers)
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "canary" not in logged
    assert okta.directory.token not in logged
