"""The acts of a client on users. The requests of `routes` and the operations of `bulk` both end here."""

from collections.abc import Callable
from dataclasses import dataclass

from webhook_service.events import Json
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.queries import Query
from webhook_service.scim.refusals import VersionMismatch
from webhook_service.scim.resources import Values, new_values, patched_values, replaced_values
from webhook_service.scim.store import Store
from webhook_service.scim.values import Client, Person
from webhook_service.scim.versions import Versions

ATTEMPTS = 3
"""How often a change is computed again if the user is changed between the read and the write."""


@dataclass(frozen=True, slots=True)
class Users:
    """The users as one client sees them. All methods raise a Refusal, Unavailable or DatabaseError."""

    store: Store
    client: Client
    attributes: Attributes

    def find(self, query: Query) -> tuple[int, list[Person]]:
        """Return the number of people that match, and the people of the page."""
        return self.store.find(self.client, query.condition, query.sort_by, query.descending, query.start, query.count)

    def get(self, id: str) -> Person:
        """Return a person."""
        return self.store.get(self.client, id)

    def create(self, body: Json) -> Person:
        """Create a person from the body of a POST, or take an existing employee over."""
        return self.store.create(self.client, new_values(body, self.attributes))

    def replace(self, id: str, body: Json, versions: Versions) -> Person:
        """Write the body of a PUT."""
        return self._change(id, versions, lambda person: replaced_values(body, person, self.attributes))

    def patch(self, id: str, body: Json, versions: Versions) -> Person:
        """Perform the operations of a PATCH, all or none."""
        return self._change(id, versions, lambda person: patched_values(body, person, self.attributes))

    def delete(self, id: str, versions: Versions) -> None:
        """Deactivate or delete the person, as SCIM_DELETE says."""
        if versions is None:
            self.store.delete(self.client, id)
        else:
            self.store.delete(self.client, id, self._matching(id, versions).version)

    def _matching(self, id: str, versions: Versions) -> Person:
        person = self.get(id)
        if versions is not None and person.version not in versions:
            raise VersionMismatch
        return person

    def _change(self, id: str, versions: Versions, values_for: Callable[[Person], Values]) -> Person:
        """Change a person by the values that are computed from the present ones.

        If the person changes in the meantime, the values are computed again, unless the client demands a version.
        """
        for _ in range(ATTEMPTS - 1):
            person = self._matching(id, versions)
            try:
                return self.store.change(self.client, id, values_for(person), person.version)
            except VersionMismatch:
                if versions is not None:
                    raise
        return self.store.change(self.client, id, values_for(self.get(id)))
