"""The document of GET /admin/api/openapi.json, compared with the routes and their responses."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema
from werkzeug.test import TestResponse

from tests.auth_traffic import CONFIRMED, SECRET, insert, post
from tests.conftest import ADMIN_KEY
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from webhook_service.app import create_app
from webhook_service.events import Json
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings
from webhook_service.subscribers.event_types import EventType
from webhook_service.web.api import (
    audit,
    bulk_replays,
    directories,
    directory_schemas,
    employee_schemas,
    employees,
    events,
    held,
    imports,
    job_schemas,
    logins,
    people,
    people_schemas,
    provision,
    schemas,
    subscriber_schemas,
    subscribers,
)
from webhook_service.web.api import (
    reconcile as reconcile_api,
)
from webhook_service.web.api.employee_schemas import ChangedEmployee, CreatedEmployee
from webhook_service.web.api.openapi import document
from webhook_service.web.api.reasons import REASONS, status_of
from webhook_service.web.errors import STATUSES

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}
OFFICE = UUID(int=3)
OF_THE_DOCUMENT = "api_docs."
"""The prefix of the endpoints that serve the document."""


@pytest.fixture
def api(settings: Settings, database: Database, connection: Connection, database_url: str) -> Iterator[FlaskClient]:
    """A company with Jane, who is linked by evt-1, and with evt-2, which matches two employees."""
    client = create_app(replace(settings, auth=DirectConnection(database_url)), database).test_client()
    with auth_on(database_url) as auth:
        hire(connection, "jane@example.com")
        hire(connection, "office@example.com"), hire(connection, "office@example.com")
        jane = auth.admin_create("jane@example.com")
        post(client, insert(jane, at=1, email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-1")
        post(client, insert(OFFICE, at=2, email="office@example.com", email_confirmed_at=CONFIRMED), "evt-2")
        yield client


def ask(client: FlaskClient, method: str, path: str, body: Json = None) -> TestResponse:
    return client.open(f"/admin/api{path}", method=method, headers=AUTHORIZED, data=json.dumps(body) if body else None)


def fits(answer: TestResponse, schema: type[Schema], status: int = 200) -> Any:
    """Return the body of the response, and check that it has exactly the fields of the schema."""
    assert answer.status_code == status, answer.text
    assert schema().validate(answer.get_json()) == {}, answer.text
    return answer.get_json()


def refused(answer: TestResponse, status: int, reason: str) -> None:
    """Check that the response is a refusal that the document lists for this route."""
    assert fits(answer, schemas.Problem, status)["reason"] == reason
    path = re.sub("/events/[^/]+", "/events/{event_id}", answer.request.path)
    path = re.sub("/employees/[0-9]+", "/employees/{employee_id}", path)
    documented = document()["paths"][path][answer.request.method.lower()]["responses"][str(status)]
    assert reason in documented["content"]["application/problem+json"]["examples"]
    assert documented.get("headers", {}).keys() <= set(answer.headers.keys())


def test_the_document_has_every_route_and_no_other(app: Flask) -> None:
    """The document has exactly the methods and paths of the admin API, except the routes that serve the document."""
    routes = {
        (method.lower(), re.sub("<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/admin/api/") and not rule.endpoint.startswith(OF_THE_DOCUMENT)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(method, path) for path, methods in document()["paths"].items() for method in methods}
    assert documented == routes


def test_everything_has_a_description(app: Flask) -> None:
    """Each field, parameter and operation has a description."""
    made = document()
    operations = [operation for path in made["paths"].values() for operation in path.values()]
    parameters = [parameter for operation in operations for parameter in operation["parameters"]]
    fields = [
        {"name": f"{name}.{field}"} | said
        for name, schema in made["components"]["schemas"].items()
        for field, said in schema["properties"].items()
    ]
    assert [each["name"] for each in (*parameters, *fields) if not each.get("description")] == []
    assert all(operation["summary"] and operation["description"] for operation in operations)


def test_examples_match_their_schemas() -> None:
    """Each example matches its schema."""
    requests = (
        audit,
        bulk_replays,
        directories,
        employees,
        events,
        held,
        imports,
        logins,
        people,
        provision,
        reconcile_api,
        subscribers,
    )
    modules = (
        *requests,
        directory_schemas,
        employee_schemas,
        job_schemas,
        people_schemas,
        schemas,
        subscriber_schemas,
    )
    everything = {name: value for module in modules for name, value in vars(module).items()}
    known = {name: each for name, each in everything.items() if isinstance(each, type) and issubclass(each, Schema)}
    for operation in (each for path in document()["paths"].values() for each in path.values()):
        contents = [operation.get("requestBody", {"content": {}}), *operation["responses"].values()]
        for content in (content for each in contents for content in each["content"].values()):
            if "$ref" not in content["schema"]:  # a CSV file
                continue
            name = content["schema"]["$ref"].rsplit("/", 1)[-1]
            schema = known[name]
            values = [example["value"] for example in content.get("examples", {}).values()] or [content["example"]]
            assert [errors for value in values if (errors := schema().validate(value))] == [], name


def test_webhooks_are_documented() -> None:
    """Each type of event is a webhook of the document, with headers and an example that matches its schema."""
    webhooks = document()["webhooks"]
    assert webhooks.keys() == set(EventType)
    for name, request in ((name, each["post"]) for name, each in webhooks.items()):
        content = request["requestBody"]["content"]["application/json"]
        assert content["schema"]["$ref"].rsplit("/", 1)[-1] in document()["components"]["schemas"]
        assert subscriber_schemas.SubscriberEvent().validate(content["example"]) == {}
        assert (content["example"]["type"], len(request["parameters"])) == (name, 3)


def test_reasons_have_the_statuses_of_their_errors() -> None:
    """Each reason is documented with the status of its error."""
    for reason, (error, _) in REASONS.items():
        assert status_of(reason) == (STATUSES[error] if isinstance(error, type) else error)


def test_the_document_needs_no_key_and_shows_no_secret(client: FlaskClient, settings: Settings) -> None:
    """The document is public, and the same for every installation."""
    answer = client.get("/admin/api/openapi.json")
    assert (answer.status_code, answer.mimetype, answer.get_json()) == (200, "application/json", document())
    assert not any(secret in answer.text for secret in (ADMIN_KEY, SECRET.removeprefix("whsec_")))


def test_reads_have_the_documented_form(api: FlaskClient, database: Database) -> None:
    """The summary, lists and events have the documented form.

    The ledger has a linked, a failed and a replayed event, and a run of reconciliation.
    """
    ask(api, "POST", "/events/evt-1/replay", {"requested_by": "Ann"})
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    fits(ask(api, "GET", "/summary"), schemas.Summary)
    listed = fits(ask(api, "GET", "/events?limit=200"), schemas.Events)["events"]
    assert {"linked", "ambiguous", "reconciled"} <= {event["outcome"] for event in listed}
    for event in listed:
        fits(ask(api, "GET", f"/events/{event['event_id']}"), schemas.Event)


def test_replays_have_the_documented_form(api: FlaskClient, connection: Connection) -> None:
    """Replays of one event, replays of many events, and dry runs have the documented form."""
    fits(ask(api, "POST", "/events/evt-2/replay"), schemas.ReplayedEvent)
    connection.execute("delete from employees where employee_id = 3")
    dry = fits(ask(api, "POST", "/replays", {"filter": {"status": "FAILED"}}), schemas.ReplayedEvents)
    assert dry["changed"] == 1
    fits(ask(api, "POST", "/replays", {"dry_run": False, "limit": 1}), schemas.ReplayedEvents)


def test_employees_have_the_documented_form(api: FlaskClient) -> None:
    """Created, invited and deactivated employees, with and without a login, have the documented form."""
    created = ask(api, "POST", "/employees", {"email": "ann@example.com"})
    employee_id = fits(created, CreatedEmployee, 201)["employee_id"]
    fits(ask(api, "POST", "/employees", {"email": "bob@example.com", "invite": True}), CreatedEmployee, 201)
    switched = ask(api, "PATCH", f"/employees/{employee_id}", {"is_active": False})
    assert fits(switched, ChangedEmployee)["login"]["status"] == "done"
    fits(ask(api, "PATCH", "/employees/2", {"is_active": False}), ChangedEmployee)
    event_id = fits(switched, ChangedEmployee)["login"]["event_id"]
    refused(ask(api, "POST", f"/events/{event_id}/replay"), 409, "not_open")


def test_refusals_have_the_documented_form(api: FlaskClient, app: Flask, connection: Connection) -> None:
    """Each refusal has a reason that the document lists for its route and status."""
    refused(api.get("/admin/api/summary"), 401, "unauthorized")
    refused(ask(api, "GET", "/events?limit=0"), 422, "invalid_query")
    refused(ask(api, "GET", "/events/nope"), 404, "event_not_found")
    refused(ask(api, "PATCH", "/employees/99", {"is_active": True}), 404, "employee_not_found")
    refused(ask(api, "POST", "/employees", {"email": "jane@example.com"}), 409, "email_taken")
    adopting = {"email": "nobody@example.com", "auth_user_id": str(OFFICE)}
    refused(ask(api, "POST", "/employees", adopting), 409, "login_not_found")
    refused(ask(app.test_client(), "POST", "/employees", {"email": "ann@example.com"}), 409, "no_auth_admin")
    refused(ask(api, "POST", "/employees", {"email": "ann@example.com", "colour": "red"}), 422, "invalid_query")
    connection.execute("alter table employees add constraint has_a_name check (first_name is not null) not valid")
    refused(ask(api, "POST", "/employees", {"email": "ann@example.com"}), 422, "employee_rejected")
    api.application.config["MAX_CONTENT_LENGTH"] = 10
    refused(ask(api, "POST", "/replays", {"requested_by": "somebody"}), 413, "too_large")
    connection.execute("drop function public.get_auth_sync_summary()")
    refused(ask(api, "GET", "/summary"), 503, "not_migrated")
