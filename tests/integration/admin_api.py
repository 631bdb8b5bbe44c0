"""Requests to the whole admin API, with the stand-in of Auth."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient
from marshmallow import Schema
from werkzeug.test import TestResponse

from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from webhook_service.app import create_app
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import DirectConnection, Settings

AUTHORIZED = {"Authorization": f"Bearer {ADMIN_KEY}"}


@dataclass(frozen=True, slots=True)
class Api:
    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(f"/admin/api{path}", headers=AUTHORIZED)

    def post(self, path: str, body: Json = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/admin/api{path}", json={} if body is None else body, headers=AUTHORIZED | named)


@contextmanager
def whole_api(settings: Settings, database: Database, database_url: str) -> Iterator[Api]:
    yield Api(create_app(replace(settings, auth=DirectConnection(database_url)), database).test_client())


def fits(answer: TestResponse, schema: type[Schema], status: int = 200) -> Any:
    """Return the body of the response, and check that it has exactly the fields of the schema."""
    assert answer.status_code == status, answer.text
    assert schema().validate(answer.get_json()) == {}, answer.text
    return answer.get_json()


def reason_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["reason"]


def audited(connection: Connection) -> list[tuple[str, str, str | None, str]]:
    rows = connection.execute("select who, action, target, result from auth_sync_audit order by id").fetchall()
    return [(row["who"], row["action"], row["target"], row["result"]) for row in rows]
