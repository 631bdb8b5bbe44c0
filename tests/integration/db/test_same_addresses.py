"""Python, SQL and the indexes compare e-mail addresses by one rule."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.employees import Connection, employee, hire
from tests.integration.captured import auth_of, relay_all
from webhook_service.addresses import INVISIBLE, normal_address
from webhook_service.ports import Database

RESEMBLING = ["\u212a", "\u0130", "\u0131", "\u212b", "\uff4b", "\uff2b", "\u017f", "\u1e9e", "\u00c5", "\u0391"]
"""KELVIN SIGN, dotted and dotless I, ANGSTROM SIGN, full-width letters, long s, capital sharp s, a ring, Alpha."""
TEXTS = st.text(
    st.sampled_from([*RESEMBLING, *INVISIBLE, *"kKiIsSaA@._%\\"])
    | st.characters(exclude_characters="\0", codec="utf-8")
)


def index_expression(connection: Connection, index: str) -> str:
    """Return the expression of an index on employees."""
    [row] = connection.execute(
        "select pg_get_expr(indexprs, indrelid) as text from pg_index where indexrelid = %s::regclass", [index]
    )
    return str(row["text"])


def test_the_invisible_characters_are_the_same(connection: Connection) -> None:
    """Python strips the characters that SQL strips."""
    [row] = connection.execute("select auth_sync_invisible_v1() as them")
    assert row["them"] == INVISIBLE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(TEXTS)
def test_python_sql_and_the_index_have_one_answer(connection: Connection, email: str) -> None:
    """An address has the same normal form in Python, in SQL and in both indexes."""
    columns = ["auth_sync_normal_v1(email) as normal"]
    for index in ("auth_sync_employees_email_idx", "auth_sync_employees_email_prefix_idx"):
        columns.append(f"{index_expression(connection, index)} as {index}")
    query = f"select {', '.join(columns)} from (select %s::text as email) as e"  # noqa: S608
    [row] = connection.execute(query.encode(), [email])
    normal = normal_address(email)
    assert (row["normal"], row["auth_sync_employees_email_idx"]) == (normal, normal)
    assert row["auth_sync_employees_email_prefix_idx"] == normal[:100]


@pytest.mark.parametrize("other", RESEMBLING)
def test_a_resembling_address_is_another_address(
    database_url: str, connection: Connection, database: Database, other: str
) -> None:
    """A login whose address only resembles an employee's is neither linked nor found with the employee's address."""
    assert not re.fullmatch("[a-z]", normal_address(other))
    hired = hire(connection, f"{other}ate@example.com")
    with auth_of(database_url) as auth:
        for letter in "kisa":
            auth.admin_create(f"{letter}ate@example.com")
    assert relay_all(database)["linked"] == 0
    assert employee(connection, hired)["auth_user_id"] is None
    query = "select employee_id from auth_sync_find_people_v1(%s)"
    assert connection.execute(query, ["kate@example.com"]).fetchall() == [{"employee_id": None}]
    assert connection.execute(query, [f"{other}ate@example.com"]).fetchall()[0] == {"employee_id": hired}
