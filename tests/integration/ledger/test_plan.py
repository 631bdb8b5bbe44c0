"""A plan shows what a reconcile run would do, and the run then does it."""

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, employee, hire
from tests.integration.captured import everything, nothing_captured, nothing_linked, relay_all
from tests.integration.differences import DIFFERENCES, MAIL, World
from webhook_service.ledger.plan import MAX_SHOWN, Plan, plan
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import EmailOwner, Policy
from webhook_service.ports import Database


def sign_up_unseen(connection: Connection, auth: Auth, email: str, **metadata: str) -> str:
    """A login from before the installation."""
    with nothing_captured(connection):
        return str(auth.admin_create(email, user_metadata=metadata))


def hire_unseen(connection: Connection, email: str, **columns: object) -> int:
    """An employee from before the installation."""
    with nothing_linked(connection):
        return hire(connection, email, **columns)


def test_a_first_install_is_shown(connection: Connection, database: Database, auth: Auth) -> None:
    """Before a first run, the plan counts links, renames, bans and undecidable logins, and keeps no change."""
    jane = hire_unseen(connection, "jane@example.com", first_name="Jane", last_name="Doe")
    lea = hire_unseen(connection, "lea@example.com", first_name="Lea", last_name="Left", is_active=False)
    for _ in range(2):
        hire_unseen(connection, "twin@example.com")
    for name in ("jane", "lea", "twin", "guest"):
        sign_up_unseen(connection, auth, f"{name}@example.com", first_name=f"{name}!")
    before = everything(connection)
    planned = plan(database, Policy(), names=True)
    assert planned.compared.differences == {"unknown": 4}
    assert planned.counts == {"link": 2, "name": 2, "ban": 1, "undecided": 1}
    assert sorted(item["employee_id"] for item in planned.items["link"]) == [jane, lea]
    names = {item["employee_id"]: item["changes"]["first_name"] for item in planned.items["name"]}
    assert names == {jane: {"from": "Jane", "to": "jane!"}, lea: {"from": "Lea", "to": "lea!"}}
    [ban] = planned.items["ban"]
    assert (ban["name"], ban["email"], ban["employee_id"]) == ("Lea Left", "lea@example.com", lea)
    [undecided] = planned.items["undecided"]
    assert (undecided["email"], undecided["outcome"]) == ("twin@example.com", "ambiguous")
    assert everything(connection) == before


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_each_difference_is_planned_as_it_is_done(
    difference: str, connection: Connection, database: Database, auth: Auth
) -> None:
    """For each kind of difference, the plan counts what the run then does to the employee."""
    world = World(connection, database, auth, hire(connection, MAIL))
    DIFFERENCES[difference][0](world)
    planned = plan(database, Policy(), names=True)
    before = employee(connection, world.jane)
    done = reconcile(database, Policy(), requested_by="test", dry_run=False, names=True)
    after = employee(connection, world.jane)
    assert planned.counts.get("link", 0) == done.outcomes.get("linked", 0)
    assert planned.counts.get("orphan", 0) == done.outcomes.get("orphaned", 0)
    assert planned.counts.get("name", 0) == (before["first_name"] != after["first_name"])
    assert planned.counts.get("email", 0) == (before["email"] != after["email"])


def test_one_employee_for_two_logins_is_planned_once(connection: Connection, database: Database, auth: Auth) -> None:
    """Two logins that match one employee are one link and one that is not decidable."""
    hire_unseen(connection, "jane@example.com", employee_number="7")
    with nothing_captured(connection):
        auth.admin_create("jane@example.com")
        auth.admin_create("other@example.com", app_metadata={"employee_number": "7"})
    assert plan(database, Policy()).counts == {"link": 1, "undecided": 1}


def test_the_same_employee_in_two_batches_is_planned_once(
    connection: Connection, database: Database, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of a plan do not see each other, and an employee is still linked once."""
    monkeypatch.setattr("webhook_service.ledger.reconcile.BATCH_SIZE", 1)
    test_one_employee_for_two_logins_is_planned_once(connection, database, auth)


def test_only_the_first_are_listed(connection: Connection, database: Database, auth: Auth) -> None:
    """A plan counts all, and lists the first hundred of a kind."""
    for number in range(MAX_SHOWN + 1):
        hire_unseen(connection, f"user{number}@example.com")
        sign_up_unseen(connection, auth, f"user{number}@example.com")
    planned = plan(database, Policy())
    assert (planned.counts, len(planned.items["link"])) == ({"link": MAX_SHOWN + 1}, MAX_SHOWN)
    assert planned.most_bans == 20


def test_an_email_for_auth_is_planned(connection: Connection, database: Database, auth: Auth) -> None:
    """With EMAIL_OWNER=employees, the e-mails that Auth must get are shown, and the bans are no part of them."""
    policy = Policy(email_owner=EmailOwner.EMPLOYEES)
    jane = hire_unseen(connection, "hr@example.com", employee_number="7")
    with nothing_captured(connection):
        auth.admin_create("jane@example.com", app_metadata={"employee_number": "7"})
    planned: Plan = plan(database, policy)
    assert planned.counts == {"link": 1, "auth_email": 1}
    assert planned.items["auth_email"][0]["employee_id"] == jane


def test_a_first_run_keeps_the_names_of_employees(connection: Connection, database: Database, auth: Auth) -> None:
    """A first run links and keeps HR's names, also where the relay or a later run does the rest."""
    jane = hire_unseen(connection, "jane@example.com", first_name="Jane")
    sign_up_unseen(connection, auth, "jane@example.com", first_name="sparkles")
    assert plan(database, Policy()).counts == {"link": 1}
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert reconcile(database, Policy(), requested_by="test", dry_run=False).differences == {}
    assert relay_all(database) == {}
    row = employee(connection, jane)
    assert (row["first_name"], row["auth_user_id"] is not None) == ("Jane", True)


def test_a_later_run_copies_names_as_events_do(connection: Connection, database: Database, auth: Auth) -> None:
    """After a first run, a sign-up that was not captured is applied as if it had been, with its names."""
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    jane = hire_unseen(connection, "jane@example.com", first_name="Jane")
    sign_up_unseen(connection, auth, "jane@example.com", first_name="Janet")
    reconcile(database, Policy(), requested_by="test", dry_run=False)
    assert employee(connection, jane)["first_name"] == "Janet"
