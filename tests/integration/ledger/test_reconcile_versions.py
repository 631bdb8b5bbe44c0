"""Reconciliation replaces a state, whatever its version is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from tests.auth_stand_in import Auth
from tests.auth_traffic import post, update
from tests.employees import Connection, employee
from tests.integration.captured import inbound, nothing_captured, relay_all
from tests.integration.capturing import reconciled
from tests.integration.requested_actions import linked
from webhook_service.inbound.payload import version_at
from webhook_service.ports import Database

JANE = "jane@example.com"
YEAR = timedelta(days=365)
VERSIONS = {
    "of two days ahead": version_at(datetime.now(UTC) + timedelta(days=2)),
    "of a year ahead": version_at(datetime.now(UTC) + YEAR),
    "above the versions of captured events": 4 * 10**18 + 10,
    "greatest": 2**63 - 1,
}


@pytest.fixture
def jane(connection: Connection, database: Database, auth: Auth) -> tuple[int, UUID]:
    return linked(connection, database, auth, JANE)


def poison(connection: Connection, version: int) -> None:
    """Give the state and its fields this version, as an event of an earlier version of the service could."""
    connection.execute(
        "update auth_user_state set version = %(version)s,"
        " fields = (select jsonb_object_agg(key, jsonb_build_array(value -> 0, %(version)s::bigint, 1))"
        ' from jsonb_each(fields || \'{"first_name": ["Wrong", 1, 1]}\'))',
        {"version": version},
    )


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
@pytest.mark.parametrize("captured", [True, False])
def test_reconcile_replaces_a_version_of_the_future(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], version: int, captured: bool
) -> None:
    """Reconcile applies the values of Auth over a state of any version, and later changes count again."""
    poison(connection, version)
    if captured:
        auth.update_metadata(jane[1], {"first_name": "Janet"})
        relay_all(database)
    else:
        with nothing_captured(connection):
            auth.update_metadata(jane[1], {"first_name": "Janet"})
    shown = reconciled(database, dry_run=True)
    assert sum(shown.differences.values()) == 1
    reconciled(database)
    assert employee(connection, jane[0])["first_name"] == "Janet"
    assert reconciled(database, dry_run=True).differences == {}
    auth.update_metadata(jane[1], {"first_name": "Jane"})
    relay_all(database)
    [state] = connection.execute("select version from auth_user_state").fetchall()
    assert state["version"] < version
    assert employee(connection, jane[0])["first_name"] == "Jane"


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
def test_reconcile_finds_a_deletion_under_a_version_of_the_future(
    connection: Connection, database: Database, auth: Auth, jane: tuple[int, UUID], version: int
) -> None:
    """Reconcile records the deletion of an auth user whose state has any version."""
    with nothing_captured(connection):
        auth.hard_delete(jane[1])
    poison(connection, version)
    assert reconciled(database).differences == {"deleted": 1}
    assert employee(connection, jane[0])["orphaned_auth_user_id"] == jane[1]
    assert reconciled(database, dry_run=True).differences == {}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
def test_the_webhook_refuses_a_version_of_the_future(client: FlaskClient, connection: Connection, version: int) -> None:
    """A signed event with a version far in the future gets 422 and is not recorded."""
    response = post(client, update() | {"version": version})
    assert response.status_code == 422
    assert inbound(connection) == []
