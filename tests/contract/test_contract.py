"""The admin API follows its OpenAPI document. Schemathesis generates the requests from the document."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any
from uuid import UUID
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from tests.auth_traffic import CONFIRMED, insert, post, update
from tests.conftest import ADMIN_KEY
from tests.contract.serving import serving
from tests.employees import Connection, hire
from tests.integration.capturing import auth_on
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings
from webhook_service.web.api import idempotency
from webhook_service.web.api.operations import OPERATIONS

CONFIG: dict[str, Any] = {
    "auth": {"openapi": {"adminKey": {"bearer": ADMIN_KEY}}},
    "continue-on-failure": True,
    "seed": 1,
    "workers": 1,
    "generation": {"max-examples": 10, "deterministic": True, "no-shrink": True, "database": "none"},
    "phases": {
        # The requests must be the same in all runs, but ids in responses differ in each run.
        "coverage": {"extra-data-sources": {"responses": False}},
        "fuzzing": {"extra-data-sources": {"responses": False}},
        "stateful": {"enabled": False},
    },
    "analysis": {"constants": {"enabled": False}},
    "cache": {"enabled": False},
    "operations": [
        {  # A document cannot describe the columns of employees, the addresses that Auth accepts, or the NUL rule.
            "include-operation-id": "createEmployee",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409", "422"]}},
        },
        {  # A text may not have a NUL.
            "include-operation-id": "createSubscriber",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409", "422"]}},
        },
        {  # A document cannot describe a CSV file with columns of employees.
            "include-operation-id": "importEmployees",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409", "422"]}},
        },
        {  # A date-time may have an offset that no time zone has and the database refuses, such as -17:19.
            "include-operation-id": ["listEvents", "replayEvents", "listAudit"],
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "422"]}},
        },
        {  # A filter of a bulk replay must not be empty, and a text may not have a NUL.
            "include-operation-id": ["beginBulkReplay", "listEmployees"],
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "422"]}},
        },
    ],
}

ONLY_REFUSED = frozenset(("linkLogin", "moveLogin", "createLogin", "sendInvitation", "releaseEmployee"))
"""Operations that need an employee without a login, or an unconfirmed login. Employee 7 has a confirmed login.

No directory manages an employee."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The failures of a run, and its statuses by operation."""

    failures: set[str] = field(default_factory=set)
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, recorder: ScenarioRecorder) -> None:
        answers = (interaction.response for interaction in recorder.interactions.values())
        self.statuses[recorder.label] |= {answer.status_code for answer in answers if answer is not None}
        for check in (check for checks in recorder.checks.values() for check in checks):
            if check.status is Status.FAILURE and (info := check.failure_info) is not None:
                self.failures.add(f"{check.name}: {info.failure.title} {info.failure.message}\n{info.code_sample}")


@pytest.fixture
def company(settings: Settings, database: Database, connection: Connection, database_url: str) -> Iterator[str]:
    """The URL of the service with a stand-in of Auth, and with employee 7 and evt-2 of the examples."""
    for number in range(1, 7):
        hire(connection, f"employee-{number % 5}@example.com", is_active=number != 3)
    assert hire(connection, "jane@example.com") == 7
    app = create_app(replace(settings, auth=DirectConnection(database_url)), database)
    client = app.test_client()
    with auth_on(database_url) as auth:
        jane = auth.admin_create("jane@example.com")
        auth.admin_create("employee-2@example.com")
    post(client, update(jane, at=1, email="jane@example.com", email_confirmed_at=CONFIRMED), "evt-2")
    post(client, insert(UUID(int=1), at=1, email="employee-1@example.com", email_confirmed_at=CONFIRMED), "evt-3")
    from_many_clients(app)
    with serving(app) as address:
        yield address


def from_many_clients(app: Flask) -> None:
    """Give each request another address and, if it has a valid Idempotency-Key, another key.

    An address with ten wrong keys must wait, and a key belongs to one request.
    """
    answer, numbers = app.wsgi_app, count(2**24)

    def of_another_client(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        number = next(numbers)
        changed = {"REMOTE_ADDR": str(IPv4Address(number))}
        if idempotency.is_key(environ.get("HTTP_IDEMPOTENCY_KEY", "")):
            changed["HTTP_IDEMPOTENCY_KEY"] = str(number)
        return answer(environ | changed, start_response)

    app.wsgi_app = of_another_client  # type: ignore[method-assign]  # Flask's manual replaces it so


@pytest.mark.campaign
def test_every_response_is_as_documented(company: str) -> None:
    """Each response has the documented status, content type, headers and body, and is never a 5xx.

    Requests that the document forbids are refused, and requests that it allows are not. Each operation needs the key,
    and succeeds at least once, if its state allows it.
    """
    config = SchemathesisConfig.from_dict(CONFIG)
    document = schemathesis.openapi.from_url(f"{company}/admin/api/openapi.json", config=config)
    seen = Seen()
    for event in from_schema(document).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            seen.failures.add(str(event))
        if isinstance(event, events.ScenarioFinished):
            seen.add(event.recorder)
    assert not seen.failures, "\n\n".join(sorted(seen.failures))
    expected = {
        f"{each.method.upper()} {each.path}": {409 if each.name in ONLY_REFUSED else each.status, 401}
        for each in OPERATIONS
    }
    assert {label: seen.statuses[label] & statuses for label, statuses in expected.items()} == expected
