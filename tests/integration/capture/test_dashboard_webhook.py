"""A project's webhook from Supabase's dashboard keeps working after capture is installed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import SECRET
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.capturing import auth_on, prepared, reconciled, relay
from tests.integration.dashboard_webhook import make_webhook
from tests.integration.sending import URL, Request, send_to, taken
from webhook_service.app import create_app
from webhook_service.ports import Database
from webhook_service.settings import Settings

Order = Callable[[list[Request]], list[Request]]


def signed(request: Request) -> bool:
    return "webhook-signature" in request.headers


def shuffled(seed: int) -> Order:
    def order(requests: list[Request]) -> list[Request]:
        twice = requests * 2
        Random(seed).shuffle(twice)
        return twice

    return order


ORDERS: dict[str, Order] = {
    "as posted": lambda requests: requests,
    "backwards": lambda requests: requests[::-1],
    "capture first": lambda requests: sorted(requests, key=lambda request: not signed(request)),
    "the dashboard first": lambda requests: sorted(requests, key=signed),
    "only the dashboard": lambda requests: [request for request in requests if not signed(request)],
    "shuffled and twice": shuffled(1),
    "shuffled and twice again": shuffled(2),
}


@pytest.fixture
def database_url(supabase_database_url: str) -> str:
    """A database with pgcrypto, Vault and pg_net, in place of the embedded one."""
    return prepared(supabase_database_url)


@pytest.fixture
def auth(database_url: str, connection: Connection) -> Iterator[Auth]:
    """Auth on a database that has both the dashboard's webhook and capture's."""
    make_webhook(connection, URL)
    send_to(connection, URL, SECRET)
    with auth_on(database_url) as auth:
        yield auth


def lives(auth: Auth) -> dict[str, UUID | None]:
    """Let people sign up, change and leave. Return the auth user that each employee must have afterwards."""
    stays = auth.sign_up("stays@example.com", user_metadata={"first_name": "Sue"})
    auth.confirm(stays)
    auth.sign_in(stays)
    auth.ban(stays, BAN_END)
    moves = auth.admin_create("moves@example.com")
    auth.change_email(moves, "moved@example.com")
    soft = auth.admin_create("soft@example.com")
    auth.soft_delete(soft)
    leaves = auth.sign_up("leaves@example.com", auto_confirm=True)
    auth.hard_delete(leaves)
    return {"stays": stays, "moves": moves, "soft": None, "leaves": None}


def post(settings: Settings, database: Database, requests: list[Request]) -> set[int]:
    client = create_app(replace(settings, static_token=True), database).test_client()
    return {client.post("/webhook/auth", data=r.body, headers=dict(r.headers)).status_code for r in requests}


@pytest.mark.campaign
@pytest.mark.parametrize("name", ORDERS)
def test_both_deliveries_arrive_in_any_order(
    connection: Connection, database: Database, settings: Settings, auth: Auth, name: str
) -> None:
    """If the dashboard's webhook and capture both deliver, each event is applied once and both sides agree."""
    employees = {name: hire(connection, f"{name}@example.com") for name in ("stays", "moves", "soft", "leaves")}
    expected = lives(auth)
    requests = taken(connection)
    assert 0 < sum(map(signed, requests)) < len(requests)
    assert post(settings, database, ORDERS[name](requests)) == {200}
    connection.execute("update integration_sync_log set next_attempt_at = now() where status <> 'SUCCESS'")
    relay(database)

    found = {name: employee(connection, number) for name, number in employees.items()}
    assert {name: row["auth_user_id"] for name, row in found.items()} == expected
    assert (found["stays"]["first_name"], found["moves"]["email"]) == ("Sue", "moved@example.com")
    done = connection.execute("select distinct status, attempts from integration_sync_log where direction = 'inbound'")
    assert done.fetchall() == [{"status": "SUCCESS", "attempts": 1}]
    assert reconciled(database, dry_run=True).differences == {}


@pytest.mark.parametrize("name", ["as posted", "capture first", "the dashboard first", "shuffled and twice"])
def test_with_auths_clock_ahead_the_dashboard_is_not_newer(
    database_url: str, connection: Connection, database: Database, settings: Settings, auth: Auth, name: str
) -> None:
    """If `updated_at` is ahead of the database's clock, the dashboard's versions are not newer than capture's."""
    employee_id = hire(connection, "jane@example.com")
    with auth_on(database_url, now=lambda: datetime.now().astimezone() + timedelta(minutes=1)) as ahead:
        jane = ahead.sign_up("jane@example.com", auto_confirm=True, user_metadata={"first_name": "Jane"})
        ahead.admin_change_email(jane, "jane.stone@example.com")
    assert post(settings, database, ORDERS[name](taken(connection))) == {200}
    connection.execute("update integration_sync_log set next_attempt_at = now() where status <> 'SUCCESS'")
    relay(database)
    assert employee(connection, employee_id)["email"] == "jane.stone@example.com"
    assert reconciled(database, dry_run=True).differences == {}
