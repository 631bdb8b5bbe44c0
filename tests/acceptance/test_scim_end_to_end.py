"""A directory deactivates and activates a person over HTTP, and Supabase Auth refuses and admits the person."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from tests.acceptance.conftest import Server, StartServer, has_waiting_calls, wait_for
from tests.acceptance.relaying import relay_process
from tests.acceptance.test_relay_of_actions import Stop
from tests.auth_faults import AuthServer
from tests.auth_server import auth_server
from tests.employees import Connection, employee
from tests.integration.captured import auth_of, end_leases
from tests.integration.requested_actions import DISABLE, ENABLE, actions, end_sessions_again, linked, outcomes
from tests.integration.scim.requests import PATCH_URN
from tests.integration.signing_in import PASSWORD, WEAK_HASH, recorded
from tests.integration.subscribers.feeding import deliveries, subscribe
from tests.integration.subscribers.receiving import Receiver, serving
from webhook_service.ports import Database
from webhook_service.scim.clients import create_token

pytestmark = pytest.mark.campaign

EMAIL = "jane@example.com"
TYPES = ("employee.deactivated", "login.disabled", "employee.activated", "login.enabled")
END_LEASES_OF_DELIVERIES = "update auth_sync_deliveries set leased_until = now() where leased_until is not null"
END_WAITING = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
 where datname = current_database() and wait_event_type = 'Lock'
"""


@dataclass(frozen=True, slots=True)
class Person:
    """An employee with a login, and her browser."""

    employee_id: int
    user: UUID
    auth: AuthServer

    def asks_for_tokens(self, grant: str, **body: str) -> Any:
        answer = httpx.post(
            f"{self.auth.url}/auth/v1/token",
            params={"grant_type": grant},
            json=body,
            headers={"apikey": self.auth.key, "X-Supabase-Api-Version": "2024-01-01"},
        )
        return answer.json()

    def signs_in(self) -> Any:
        return self.asks_for_tokens("password", email=EMAIL, password=PASSWORD)

    def refreshes(self, token: str) -> Any:
        return self.asks_for_tokens("refresh_token", refresh_token=token)


@dataclass(frozen=True, slots=True)
class Okta:
    """A directory that finds Jane by her e-mail, as an import does, and switches her."""

    token: str

    def switches(self, server: Server, *, active: bool) -> httpx.Response:
        with httpx.Client(
            base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {self.token}"}
        ) as client:
            [found] = client.get("/Users", params={"filter": f'userName eq "{EMAIL}"'}).json()["Resources"]
            operation = {"op": "replace", "value": {"active": active}}
            body = {"schemas": [PATCH_URN], "Operations": [operation]}
            return client.patch(f"/Users/{found['id']}", json=body)


@dataclass(frozen=True, slots=True)
class World:
    """The processes that a test starts and kills, and what they share."""

    url: str
    folder: Path
    connection: Connection
    database: Database
    start_server: StartServer
    jane: Person
    okta: Okta
    subscriber: Receiver
    open: ExitStack

    def serve(self) -> Server:
        return self.start_server(RELAY="off")

    def start_relay(self, name: str) -> Any:
        settings = {
            "SUPABASE_URL": self.jane.auth.url,
            "SUPABASE_SERVICE_ROLE_KEY": self.jane.auth.key,
            "EVENT_PRIVATE_ADDRESSES": "on",
        }
        return self.open.enter_context(relay_process(self.url, self.folder / name, name, **settings)).process

    def deactivate(self) -> Server:
        """Deactivate Jane, and return the server."""
        server = self.serve()
        assert self.okta.switches(server, active=False).json()["active"] is False
        return server


@pytest.fixture
def world(
    database_url: str, tmp_path: Path, connection: Connection, database: Database, start_server: StartServer
) -> Iterator[World]:
    with auth_server(database_url) as server, serving() as subscriber, ExitStack() as stack:
        with auth_of(database_url) as auth:
            employee_id, user = linked(connection, database, auth, EMAIL)
            auth.users.update(user, encrypted_password=WEAK_HASH)
        url = f"http://127.0.0.1:{subscriber.server_address[1]}/"
        subscribe(database, p_url=url, p_allow_private=True, types=list(TYPES))
        okta = Okta(create_token(database, "okta", requested_by="Kim").token)
        jane = Person(employee_id, user, server)
        for name in ("killed", "relay"):
            (tmp_path / name).mkdir()
        yield World(database_url, tmp_path, connection, database, start_server, jane, okta, subscriber, stack)


def nothing_is_killed(world: World) -> None:
    world.deactivate()


def the_server_during_the_patch(world: World) -> None:
    """The directory gets no response, and repeats the request."""
    server = world.serve()
    with psycopg.connect(world.url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("select from employees where employee_id = %s for update", [world.jane.employee_id])
        request = threads.submit(world.okta.switches, server, active=False)
        wait_for("the request to wait for the row", lambda: has_waiting_calls(world.connection))
        server.kill_everything()
        with pytest.raises(httpx.TransportError):
            request.result()
        world.connection.execute(END_WAITING)
    assert employee(world.connection, world.jane.employee_id)["is_active"] is True
    world.deactivate()


def the_server_after_the_patch(world: World) -> None:
    world.deactivate().kill_everything()


def the_relay(method: str, number: int, *, carried_out: bool) -> Callable[[World], None]:
    """The relay is killed before or after a call of Auth, and its lease ends."""

    def kill(world: World) -> None:
        stop = Stop(world.jane.auth, method, number, carried_out=carried_out)
        relay = world.start_relay("killed")
        world.deactivate()
        wait_for("the relay to reach this step", stop.reached.is_set)
        relay.kill()
        relay.wait()
        end_leases(world.connection)
        world.connection.execute(END_LEASES_OF_DELIVERIES)

    return kill


KILLED: dict[str, Callable[[World], None]] = {
    "nothing": nothing_is_killed,
    "the server, during the request": the_server_during_the_patch,
    "the server, after the request": the_server_after_the_patch,
    "the relay, after it has read": the_relay("GET", 1, carried_out=True),
    "the relay, before the ban": the_relay("PUT", 1, carried_out=False),
    "the relay, after the ban": the_relay("PUT", 1, carried_out=True),
    "the relay, before it settles": the_relay("GET", 2, carried_out=True),
}

BANS_BEFORE_ITS_END = ("the relay, after the ban", "the relay, before it settles")
"""The kills after which the next relay finds the login banned."""


@pytest.mark.parametrize("killed", KILLED)
def test_a_directory_ends_and_gives_access(world: World, killed: str) -> None:
    """A deactivated person can neither sign in nor refresh, whatever is killed, and an activated one can sign in.

    The ledger, the audit and the events of a subscriber have each of the two changes once.
    """
    tokens = world.jane.signs_in()
    refreshed = world.jane.refreshes(tokens["refresh_token"])
    assert refreshed["user"]["id"] == str(world.jane.user)

    KILLED[killed](world)
    world.start_relay("relay")
    wait_for("the ban to be settled", lambda: "sessions_end_again_at" in actions(world.connection)[0]["changes"])
    assert world.jane.signs_in()["code"] == "user_banned"
    assert world.jane.refreshes(refreshed["refresh_token"])["code"] == "refresh_token_not_found"
    end_sessions_again(world.database)
    [disabled] = outcomes(world.connection)
    assert disabled[:2] == (DISABLE, "SUCCESS")
    assert disabled[2] == ("unchanged" if killed in BANS_BEFORE_ITS_END else "disabled")

    assert world.okta.switches(world.serve(), active=True).json()["active"] is True
    wait_for(
        "the end of the ban", lambda: len(settled := outcomes(world.connection)) == 2 and settled[1][1] == "SUCCESS"
    )
    again = world.jane.signs_in()
    assert world.jane.refreshes(again["refresh_token"])["user"]["id"] == str(world.jane.user)
    assert outcomes(world.connection)[1] == (ENABLE, "SUCCESS", "enabled")
    person = f"employee:{world.jane.employee_id}"
    assert [entry for entry in recorded(world.connection) if entry[0].startswith("directory")] == [
        ("directory okta", "deactivate", person),
        ("directory okta", "activate", person),
    ]
    wait_for("the events of both", lambda: not open_rows(world.connection))
    wait_for("the deliveries", lambda: len(sent := deliveries(world.connection)) == 4 and are_done(sent))
    assert [each["type"] for each in deliveries(world.connection)] == list(TYPES)


def open_rows(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select from integration_sync_log where status <> 'SUCCESS'").fetchall()


def are_done(sent: list[dict[str, Any]]) -> bool:
    return all(each["status"] == "DONE" for each in sent)
