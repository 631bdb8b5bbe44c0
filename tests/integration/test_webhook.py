"""POST /webhook/auth over a real database."""

from typing import Any

import psycopg
from flask.testing import FlaskClient

from tests.auth_traffic import CONFIRMED, JANE, delete, insert, outcome_of, post, update

Connection = psycopg.Connection[dict[str, Any]]


def hire(connection: Connection, email: str, **columns: Any) -> int:
    """Inserts an employee; returns its id."""
    columns |= {"email": email}
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    inserted = connection.execute(
        f"insert into employees ({names}) values ({marks}) returning employee_id",  # noqa: S608
        list(columns.values()),
    ).fetchone()
    assert inserted is not None
    return int(inserted["employee_id"])


def test_a_confirmed_user_is_linked_to_the_employee_with_its_email(client: FlaskClient, connection: Connection) -> None:
    """Case and surrounding space of the employee's e-mail are ignored, and left as they are."""
    hire(connection, " Jane.Doe@Example.com ")
    response = post(client, insert(email="jane.doe@example.com", email_confirmed_at=CONFIRMED), "evt-1")
    assert response.get_json() == {"event_id": "evt-1", "status": "SUCCESS", "outcome": "linked"}
    employee = connection.execute("select email, auth_user_id from employees").fetchone()
    assert employee == {"email": " Jane.Doe@Example.com ", "auth_user_id": JANE}


def test_the_life_of_a_user(client: FlaskClient, connection: Connection) -> None:
    """Sign-up, confirmation, new e-mail, deletion: each has its outcome."""
    hire(connection, "jane@example.com")
    assert outcome_of(post(client, insert(at=1, email="jane@example.com"))) == "unconfirmed"
    confirmed: dict[str, Any] = {"email": "jane@example.com", "email_confirmed_at": CONFIRMED}
    assert outcome_of(post(client, update(at=2, **confirmed))) == "linked"
    assert outcome_of(post(client, update(at=3, **confirmed | {"email": "j@example.com"}))) == "synced"
    assert outcome_of(post(client, delete(at=3))) == "orphaned"
    employee = connection.execute("select email, auth_user_id, orphaned_auth_user_id from employees").fetchone()
    assert employee == {"email": "j@example.com", "auth_user_id": None, "orphaned_auth_user_id": JANE}
