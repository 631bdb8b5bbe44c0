"""A user whose e-mail changes to the e-mails of several employees, one after the other.

A replica is one such user with a separate set of employees. The replicas of one history differ only in names and ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from tests.auth_stand_in import Auth
from tests.employees import Connection
from tests.integration.captured import inbound

FAR = datetime(2126, 1, 1, tzinfo=UTC)
EMPLOYEES = (("a", "1"), ("b", "2"), ("c", "3"), ("c", "4"))
"""Addresses and numbers. Two employees share an address, which is ambiguous for its user. No employee has `d`."""

SELECT = """
select lower(btrim(email)) as email, first_name, last_name, auth_user_id, orphaned_at is not null as is_orphaned,
       orphaned_auth_user_id
  from employees where employee_number = any(%s) order by employee_number
"""
NUMBERED = "2"


@dataclass(frozen=True, slots=True)
class Replica:
    name: str
    user: UUID

    def email(self, place: str) -> str:
        return f"{place}@{self.name}.example.com"

    def number(self, number: str) -> str:
        return f"{number}-{self.name}"

    def end(self, connection: Connection) -> list[dict[str, Any]]:
        """Return the replica's employees, with names and ids replaced so that all replicas compare equal."""
        rows = connection.execute(SELECT, [[self.number(number) for _, number in EMPLOYEES]]).fetchall()
        for row in rows:
            row["email"] = row["email"].replace(self.name, "replica")
            for column in ("auth_user_id", "orphaned_auth_user_id"):
                assert row[column] in (None, self.user)
                row[column] = row[column] and "the user"
        return rows


def act(auth: Auth, replica: Replica, step: str) -> None:
    """Run one step of a history in one transaction.

    "new a" and "to a" leave the e-mail unconfirmed unless they end with an exclamation mark.
    """
    verb, _, place = step.rstrip("!").partition(" ")
    confirmed = step.endswith("!")
    match verb:
        case "new":
            auth.admin_create(replica.email(place), confirmed=confirmed, id=replica.user)
        case "to":
            auth.admin_change_email(replica.user, replica.email(place), confirmed=confirmed)
        case "confirm":
            auth.confirm(replica.user)
        case "name":
            auth.update_metadata(replica.user, {"first_name": place})
        case "number":
            auth.set_app_metadata(replica.user, {"employee_number": replica.number(NUMBERED)})
        case "ban":
            auth.ban(replica.user, FAR)
        case "soft":
            auth.soft_delete(replica.user)
        case "hard":
            auth.hard_delete(replica.user)
        case _:
            raise AssertionError(step)


def live(connection: Connection, auth: Auth, history: Sequence[str], count: int) -> list[Replica]:
    """Create `count` replicas and run the history for each. All events are captured, and none is applied."""
    replicas = [Replica(f"r{uuid4().hex[:12]}", uuid4()) for _ in range(count)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into employees (email, employee_number) values (%s, %s)",
            [
                (f" {place.upper()}@{replica.name}.example.com", replica.number(number))
                for replica in replicas
                for place, number in EMPLOYEES
            ],
        )
    for replica in replicas:
        for step in history:
            act(auth, replica, step)
    return replicas


def captured_of(connection: Connection, replicas: Sequence[Replica]) -> list[list[dict[str, Any]]]:
    """Return the events of each replica in the order of their commits, which must be the order of their versions."""
    events: dict[UUID, list[dict[str, Any]]] = {replica.user: [] for replica in replicas}
    for event in inbound(connection):
        if event["auth_user_id"] in events:
            events[event["auth_user_id"]].append(event)
    for of_one in events.values():
        assert [event["id"] for event in of_one] == sorted(event["id"] for event in of_one)
    return list(events.values())
