"""A user that changes between the read and the write of a request."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.directories import directory
from tests.integration.scim.requests import JANE, refusal, requests_of
from webhook_service.errors import Conflict
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.bulk import Bulk
from webhook_service.scim.clients import revoke
from webhook_service.scim.users import Users
from webhook_service.settings import Settings

OFF = {"op": "replace", "path": "active", "value": False}


class Disturbed:
    """A database in which `disturb` happens after each call of a function, some times."""

    def __init__(
        self, database: Database, disturb: Callable[[], object], times: int, function: str = "auth_sync_scim_get_v1"
    ) -> None:
        self.database = database
        self.disturb = disturb
        self.times = times
        self.function = function

    def call(self, function: str, **params: Json) -> Json:
        found = self.database.call(function, **params)
        if function == self.function and self.times:
            self.times -= 1
            self.disturb()
        return found

    async def call_soon(self, function: str, **params: Json) -> Json:
        return await self.database.call_soon(function, **params)

    @property
    def round_trip(self) -> float:
        return self.database.round_trip

    def close(self) -> None:
        self.database.close()


@pytest.mark.parametrize("times", [1, 2, 9])
def test_a_change_is_computed_again(settings: Settings, database: Database, connection: Connection, times: int) -> None:
    """A PATCH and a PUT keep the change that another client makes at the same time, and write their own values."""
    made = requests_of(settings, database).add()
    id = int(made["id"])

    def disturb() -> None:
        connection.execute(
            "update employees set last_name = last_name || 'x', is_active = true where employee_id = %s", [id]
        )

    whole = {name: value for name, value in JANE.items() if name != "name"} | {"active": False}
    for method, body in (("PATCH", {"Operations": [OFF]}), ("PUT", whole)):
        disturbed = requests_of(settings, Disturbed(database, disturb, times))
        assert disturbed.send(method, f"/Users/{id}", body).status_code == 200
        stored = employee(connection, id)
        assert (stored["is_active"], stored["last_name"].startswith("Doex")) == (False, True)


def test_a_demanded_version_is_compared_at_the_write(
    settings: Settings, database: Database, connection: Connection
) -> None:
    """With If-Match, a change at the same time is 412, although the version was the right one at the read."""
    made = requests_of(settings, database).add()
    id = int(made["id"])

    def disturb() -> None:
        connection.execute("update employees set last_name = 'Roe' where employee_id = %s", [id])

    disturbed = requests_of(settings, Disturbed(database, disturb, 1))
    assert refusal(disturbed.patch(made["id"], OFF, If_Match=made["meta"]["version"])) == (412, None)
    assert employee(connection, id)["is_active"] is True


class Clock:
    """A clock that runs `step` seconds with each conflict."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.seconds = 0.0
        self.conflicts = 0

    def __call__(self) -> float:
        return self.seconds

    def conflict(self) -> None:
        self.seconds += self.step
        self.conflicts += 1
        raise Conflict("database_conflict", "A lock is not available.")


@pytest.mark.parametrize(("step", "conflicts"), [(0.01, 5), (1.5, 2), (3, 1)])
def test_conflicts_are_retried_for_a_short_time(database: Database, step: float, conflicts: int) -> None:
    """A write is tried five times if conflicts are quick, and no new try begins after 2 seconds."""
    clock = Clock(step)
    okta = directory(database)
    disturbed = Disturbed(database, clock.conflict, 9, "auth_sync_scim_create_v1")
    store = replace(okta.store, database=disturbed, clock=clock)
    with pytest.raises(Conflict):
        store.create(okta.client, {"email": "jane@example.com"})
    assert clock.conflicts == conflicts


def test_a_bulk_request_ends_in_time(database: Database) -> None:
    """After 20 seconds, the other operations of a bulk request are 503, and nothing of them is written."""
    clock = Clock(11)
    okta = directory(database)
    store = replace(okta.store, database=Disturbed(database, clock.conflict, 9, "auth_sync_scim_get_v1"))
    jane = okta.create(email="jane@example.com")
    bulk = Bulk(Users(store, okta.client, Attributes()), "", is_valid=lambda: True, clock=clock)
    operation = {"method": "PATCH", "path": f"/Users/{jane.id}", "data": {"Operations": [OFF]}}
    results = bulk.perform([operation, operation, operation, {"method": "DELETE", "path": f"/Users/{jane.id}"}], None)[
        "Operations"
    ]
    assert [each["status"] for each in results] == ["503"] * 4
    assert clock.conflicts == 2
    assert okta.get(jane).active


def test_a_token_that_is_revoked_ends_its_bulk_request(
    database: Database, connection: Connection, settings: Settings
) -> None:
    """After a token is revoked, the other operations of its bulk request are 401, and nothing of them is written."""

    def stop() -> None:
        revoke(database, name="okta", requested_by="ops")

    okta = requests_of(settings, Disturbed(database, stop, 1, "auth_sync_scim_create_v1"))
    jane = {"method": "POST", "path": "/Users", "bulkId": "a", "data": JANE}
    joe = {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "joe@example.com"}}
    answer = okta.send("POST", "/Bulk", {"Operations": [jane, joe]})
    assert [each["status"] for each in answer.get_json(force=True)["Operations"]] == ["201", "401"]
    assert connection.execute("select email from employees").fetchall() == [{"email": "jane@example.com"}]
