"""Capture writes one row of the ledger for each auth user and transaction, with the mapped state only."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.auth_stand_in import Auth
from tests.auth_traffic import EPOCH
from tests.employees import Connection
from tests.integration.auth_actions import BAN_END
from tests.integration.canaries import CANARY, contents
from tests.integration.capturing import MAPPED, auth_on, entries, in_auth, newest, record_of, writer

Action = Callable[[Auth, UUID], object]


def in_turn(*actions: Action) -> Action:
    """Return an action that performs these actions one after the other, each in its own transactions."""

    def act(auth: Auth, user: UUID) -> None:
        for action in actions:
            action(auth, user)

    return act


def ban(auth: Auth, user: UUID) -> None:
    auth.ban(user, BAN_END)


ACTIONS: dict[str, tuple[int, Action]] = {
    "sign_up": (1, lambda auth, user: auth.sign_up("new@example.com", id=user)),
    "sign_up, auto-confirm": (1, lambda auth, user: auth.sign_up("new@example.com", auto_confirm=True, id=user)),
    "admin_create": (1, lambda auth, user: auth.admin_create("new@example.com", id=user)),
    "admin_create, unconfirmed": (1, lambda auth, user: auth.admin_create("n@example.com", confirmed=False, id=user)),
    "sso_sign_up": (1, lambda auth, user: auth.sso_sign_up("new@example.com", id=user)),
    "anonymous": (1, lambda auth, user: auth.anonymous(id=user)),
}
"""{name: (number of rows that the action makes, action with the id of its new user)}."""

CHANGES: dict[str, tuple[int, Action]] = {
    "confirm": (1, Auth.confirm),
    "sign_in": (0, Auth.sign_in),
    "refresh": (0, Auth.refresh),
    "sso_sign_in, nothing new": (0, lambda auth, user: auth.sso_sign_in(user, user_metadata={"first_name": "Jane"})),
    "sso_sign_in, another name": (1, lambda auth, user: auth.sso_sign_in(user, user_metadata={"first_name": "Janet"})),
    "sso_sign_in, not mapped": (0, lambda auth, user: auth.sso_sign_in(user, user_metadata={"picture": "x"})),
    "request_email_change": (0, lambda auth, user: auth.request_email_change(user, "new@example.com")),
    "change_email": (1, lambda auth, user: auth.change_email(user, "new@example.com")),
    "admin_change_email": (1, lambda auth, user: auth.admin_change_email(user, "new@example.com")),
    "admin_change_email, confirmed": (
        1,
        lambda auth, user: auth.admin_change_email(user, "new@example.com", confirmed=True),
    ),
    "update_metadata, a name": (1, lambda auth, user: auth.update_metadata(user, {"last_name": "Stone"})),
    "update_metadata, a name gone": (1, lambda auth, user: auth.update_metadata(user, {"first_name": None})),
    "update_metadata, not mapped": (0, lambda auth, user: auth.update_metadata(user, {"theme": "dark"})),
    "set_app_metadata, the number": (1, lambda auth, user: auth.set_app_metadata(user, {"employee_number": "E-1"})),
    "set_app_metadata, not mapped": (0, lambda auth, user: auth.set_app_metadata(user, {"roles": ["x"]})),
    "ban": (1, ban),
    "unban, never banned": (0, Auth.unban),
    "ban, unban": (2, in_turn(ban, Auth.unban)),
    "soft_delete": (1, Auth.soft_delete),
    "soft_delete, twice": (1, in_turn(Auth.soft_delete, Auth.soft_delete)),
    "hard_delete": (1, Auth.hard_delete),
    "soft_delete, hard_delete": (2, in_turn(Auth.soft_delete, Auth.hard_delete)),
}
"""{name: (number of rows that the action makes, action on an existing user)}."""


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


@pytest.fixture
def writing(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with writer(database_url) as connection:
        yield connection


@pytest.fixture
def jane(auth: Auth) -> UUID:
    return auth.admin_create("jane@example.com", user_metadata={"first_name": "Jane", "last_name": "Doe"})


@pytest.mark.parametrize("name", ACTIONS)
def test_a_new_user_makes_one_row(connection: Connection, auth: Auth, name: str) -> None:
    """A new user is captured as one INSERT with the transaction's final state, even if several statements wrote it."""
    count, action = ACTIONS[name]
    user = uuid4()
    action(auth, user)
    made = entries(connection, user)
    assert [entry["operation"] for entry in made] == ["INSERT"] * count
    state = in_auth(connection, user)
    assert state is not None
    assert {column: record_of(made[0])[column] for column in state} == state


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_one_row(connection: Connection, auth: Auth, jane: UUID, name: str) -> None:
    """A transaction that changes a mapped column makes one row with the final state. A sign-in makes no row."""
    count, action = CHANGES[name]
    before = len(entries(connection, jane))
    action(auth, jane)
    made = entries(connection, jane)
    assert len(made) - before == count
    state = in_auth(connection, jane)
    if state is None:
        assert (made[-1]["operation"], made[-1]["request_data"]["record"]) == ("DELETE", None)
    else:
        assert {column: record_of(made[-1])[column] for column in state} == state


def test_a_captured_row_waits_for_the_relay(connection: Connection, jane: UUID) -> None:
    """A captured row is a pending event with a webhook's payload and a version."""
    entry = newest(connection, jane)
    assert (entry["status"], entry["direction"], entry["via"], entry["attempts"]) == (
        "PENDING",
        "inbound",
        "capture",
        0,
    )
    assert entry["next_attempt_at"] is not None
    payload = entry["request_data"]
    assert {key: payload[key] for key in payload if key != "record"} == {
        "type": "INSERT",
        "schema": "auth",
        "table": "users",
        "version": entry["version"],
        "old_record": None,
    }


def test_each_user_of_a_transaction_has_a_row(connection: Connection, auth: Auth, writing: Any) -> None:
    """If one statement changes many users, each of them gets its own row."""
    users = [auth.admin_create(f"user{number}@example.com") for number in range(5)]
    auth.ban(users[0], BAN_END)
    writing.execute("update users set banned_until = %s", [BAN_END])
    assert [len(entries(connection, user)) for user in users] == [2, 2, 2, 2, 2]


SECRET_TEXTS = """
select attname from pg_attribute
 where attrelid = 'auth.users'::regclass and attnum > 0 and attgenerated = '' and attname <> 'email'
   and atttypid in ('text'::regtype, 'varchar'::regtype)
"""


def test_ids_have_the_order_of_time(connection: Connection, auth: Auth) -> None:
    """Event ids ascend with time, even if different users change, so that new ids are side by side in the index."""
    users = [UUID(int=number) for number in (3, 1, 2)]
    for user in users:
        auth.admin_create(f"{user}@example.com", id=user)
    [found] = connection.execute(
        "select array_agg(event_id order by event_id) as ids from integration_sync_log"
    ).fetchall()
    assert [UUID(event_id[-36:]) for event_id in found["ids"]] == users


@pytest.mark.parametrize("end", ["", "delete from users where id = %(id)s"], ids=["changed", "deleted"])
def test_only_mapped_columns_leave_the_table(connection: Connection, writing: Any, jane: UUID, end: str) -> None:
    """No hash, token, phone or unmapped metadata is in any row of the service."""
    secret = ", ".join(f"{row['attname']} = '{CANARY}-{row['attname']}'" for row in connection.execute(SECRET_TEXTS))
    metadata = (
        f'raw_user_meta_data = raw_user_meta_data || \'{{"ssn": "{CANARY}", "{CANARY}": 1}}\','
        f' raw_app_meta_data = \'{{"provider": "{CANARY}"}}\''
    )
    with writing.transaction():
        writing.execute(f"update users set {secret}, {metadata}, banned_until = now() where id = '{jane}'")  # noqa: S608
        if end:
            writing.execute(end, {"id": jane})
    assert len(entries(connection, jane)) == 2
    assert CANARY not in contents(connection)
    if not end:
        assert set(record_of(newest(connection, jane))) == MAPPED


def test_the_row_of_a_deletion_has_no_personal_data(connection: Connection, auth: Auth, jane: UUID) -> None:
    """The row of a deletion has the user's id and the time, and no other value."""
    auth.hard_delete(jane)
    assert set(newest(connection, jane)["request_data"]["old_record"]) == {"id", "deleted_at"}


def test_a_rollback_leaves_nothing(connection: Connection, writing: Any) -> None:
    """A rolled-back transaction leaves no row."""
    auth, user = Auth(writing), uuid4()
    with writing.transaction(force_rollback=True):
        auth.sign_up("jane@example.com", id=user)
    assert entries(connection, user) == []


def test_a_rollback_to_a_savepoint_leaves_nothing(connection: Connection, writing: Any, jane: UUID) -> None:
    """A rollback to a savepoint removes the rows of that part. The rest of the transaction is captured."""
    auth, other = Auth(writing), uuid4()
    with writing.transaction():
        with writing.transaction(force_rollback=True):
            auth.sign_up("other@example.com", id=other)
            auth.admin_change_email(jane, "gone@example.com")
        auth.ban(jane, BAN_END)
    assert entries(connection, other) == []
    assert record_of(newest(connection, jane))["email"] == "jane@example.com"


def test_constraints_set_immediate_still_end_in_one_row(connection: Connection, writing: Any, jane: UUID) -> None:
    """With immediate constraints the trigger fires after each statement, but one row holds the final state."""
    auth = Auth(writing)
    with writing.transaction():
        auth.ban(jane, BAN_END)
        writing.execute("set constraints all immediate")
        auth.ban(jane, BAN_END + timedelta(days=1))
        auth.admin_change_email(jane, "jane.stone@example.com")
        auth.unban(jane)
    made = entries(connection, jane)
    assert len(made) == 2
    assert (record_of(made[-1])["email"], record_of(made[-1])["banned_until"]) == ("jane.stone@example.com", None)
    assert made[-1]["request_data"]["version"] == made[-1]["version"]


def test_a_new_user_changed_under_immediate_constraints_is_an_insert(connection: Connection, writing: Any) -> None:
    """A new user that is changed in the same transaction is captured as one INSERT with the final state."""
    auth, user = Auth(writing), uuid4()
    with writing.transaction():
        writing.execute("set constraints all immediate")
        auth.sign_up("new@example.com", id=user, auto_confirm=True)
    [entry] = entries(connection, user)
    assert entry["operation"] == "INSERT"
    assert record_of(entry)["email_confirmed_at"] is not None


@pytest.mark.parametrize("constraints", ["deferred", "immediate"])
def test_a_user_inserted_and_deleted_in_one_transaction_never_exists(
    connection: Connection, writing: Any, constraints: str
) -> None:
    """A user that is inserted and deleted in one transaction is never reported as existing."""
    auth, user = Auth(writing), uuid4()
    with writing.transaction():
        writing.execute(f"set constraints all {constraints}".encode())
        auth.sign_up("new@example.com", id=user)
        auth.hard_delete(user)
    assert [entry["operation"] for entry in entries(connection, user)] in ([], ["DELETE"])


@pytest.mark.parametrize("constraints", ["deferred", "immediate"])
def test_a_user_deleted_and_inserted_in_one_transaction_is_one_row(
    connection: Connection, writing: Any, jane: UUID, constraints: str
) -> None:
    """A user that is deleted and inserted again in one transaction is captured as one row with the new state."""
    auth = Auth(writing, now=lambda: EPOCH)
    with writing.transaction():
        writing.execute(f"set constraints all {constraints}".encode())
        auth.hard_delete(jane)
        auth.sign_up("janet@example.com", id=jane)
    made = entries(connection, jane)
    assert len(made) == 2
    assert (made[-1]["operation"] == "DELETE", record_of(made[-1])["email"]) == (False, "janet@example.com")
