"""A user that changes between the read and the write of a request."""

from collections.abc import Callable

import pytest

from tests.employees import Connection, employee
from tests.integration.scim.requests import JANE, refusal, requests_of
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.settings import Settings

OFF = {"op": "replace", "path": "active", "value": False}


class Disturbed:
    """A database in which `disturb` happens after each read of a user, some times."""

    def __init__(self, database: Database, disturb: Callable[[], object], times: int) -> None:
        self.database = database
        self.disturb = disturb
        self.times = times

    def call(self, function: str, **params: Json) -> Json:
        found = self.database.call(function, **params)
        if function == "auth_sync_scim_get_v1" and self.times:
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
