"""`webhook-service held` lists, releases and discards held bans, and `migrate` sets their limit."""

from uuid import uuid4

import pytest

from tests.acceptance.command import Run, assert_one_clear_line
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked

EVA = "Eva No0 e0@example.com mass_deactivation"


@pytest.fixture
def company(connection: Connection) -> Connection:
    """A company of 25 employees with logins."""
    with nothing_linked(connection):
        for number in range(25):
            hire(connection, f"e{number}@example.com", first_name="Eva", last_name=f"No{number}", auth_user_id=uuid4())
    return connection


def entered(connection: Connection) -> int:
    """How many bans are in the ledger."""
    query = "select from integration_sync_log where operation = 'disable_auth_user'"
    return len(connection.execute(query).fetchall())


def test_held_bans_are_listed_and_released(run: Run, company: Connection) -> None:
    """The list names the people. A release needs a yes, and requests the bans."""
    company.execute("update employees set is_active = false")
    code, output, _ = run("held", "list")
    lines = output.splitlines()
    assert (code, lines[0], len([line for line in lines if line.endswith("mass_deactivation")])) == (
        *(0, "25 bans are held."),
        25,
    )
    assert EVA in [" ".join(line.split()) for line in lines]
    assert run("held", "release")[0] == 1
    assert entered(company) == 0
    assert run("held", "release", "--yes")[:2] == (0, "25 bans are released.\n")
    assert entered(company) == 25
    assert run("held", "list")[1] == "0 bans are held.\n"


def test_bans_of_uncertain_owners_are_decided_separately(run: Run, company: Connection) -> None:
    """A release of a mass deactivation leaves the bans of another reason, which `--reason` names."""
    company.execute("update employees set is_active = false where employee_id <= 22")
    company.execute(
        "select auth_sync_hold_unclear_v1(jsonb_agg(e)) from (select auth_user_id, employee_id from employees"
        " where employee_id = 1) as e"
    )
    assert [line.split()[:3] for line in run("held", "list")[1].splitlines() if "shared_email" in line] == [
        ["Eva", "No0", "e0@example.com"]
    ]
    assert run("held", "release", "--yes")[:2] == (0, "21 bans are released.\n")
    assert run("held", "discard", "--yes", "--reason", "shared_email")[:2] == (0, "1 ban is dropped.\n")
    assert entered(company) == 21


def test_held_bans_are_discarded(run: Run, company: Connection) -> None:
    """A discard needs a yes, and drops the bans."""
    company.execute("update employees set is_active = false")
    assert run("held", "discard")[0] == 1
    assert run("held", "discard", "--yes")[:2] == (0, "25 bans are dropped.\n")
    assert (entered(company), run("held", "list")[1]) == (0, "0 bans are held.\n")


def test_migrate_sets_the_limit(run: Run, company: Connection) -> None:
    """`migrate` stores MASS_DEACTIVATION_LIMIT for the triggers."""
    assert run("migrate", MASS_DEACTIVATION_LIMIT="off")[0] == 0
    company.execute("update employees set is_active = false")
    assert (entered(company), run("held", "list")[1]) == (25, "0 bans are held.\n")
    assert run("migrate")[0] == 0
    limit = company.execute("select deactivation_limit from auth_sync_settings").fetchone()
    assert limit == {"deactivation_limit": "10%"}


@pytest.mark.parametrize("setting", ["ten", "-1", "0%", "101%", "1.5%"])
def test_an_unusable_limit_is_one_clear_line(run: Run, company: Connection, setting: str) -> None:
    """A limit that is not a number, a share or off is refused by name."""
    code, _, errors = run("migrate", MASS_DEACTIVATION_LIMIT=setting)
    assert code == 1
    assert_one_clear_line(errors, "[bad_setting]")
    assert "MASS_DEACTIVATION_LIMIT" in errors
