"""Directories that push employees in, and their stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook_service.ports import Database
from webhook_service.scim.clients import client_of, create_token
from webhook_service.scim.store import Store
from webhook_service.scim.values import Client, Condition, Person

JANE = {
    "email": "jane@example.com",
    "first_name": "Jane",
    "last_name": "Doe",
    "employee_number": "7",
    "external_id": "x1",
}


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with one valid token."""

    store: Store
    client: Client
    token: str

    def create(self, **values: Any) -> Person:
        return self.store.create(self.client, values)

    def change(self, person: Person | int, version: str | None = None, **values: Any) -> Person:
        return self.store.change(self.client, id_of(person), values, version)

    def delete(self, person: Person | int) -> None:
        self.store.delete(self.client, id_of(person))

    def get(self, person: Person | int) -> Person:
        return self.store.get(self.client, id_of(person))

    def find(self, condition: Condition | None = None, **options: Any) -> list[Person]:
        return self.store.find(self.client, condition, **options)[1]


def directory(
    database: Database, name: str = "okta", attributes: Mapping[str, str] | None = None, *, removes: bool = False
) -> Directory:
    """A directory with a new token."""
    created = create_token(database, name, requested_by="test")
    client = client_of(database, created.token)
    assert client is not None
    return Directory(Store(database, attributes or {}, removes), client, created.token)


def id_of(person: Person | int) -> str:
    return person.id if isinstance(person, Person) else str(person)


def where(place: str, operator: str, value: Any = None) -> Condition:
    """A condition on one place."""
    return {"place": place, "operator": operator, "value": value}
