"""Bulk requests (RFC 7644, 3.7). The operations are independent: each succeeds or fails alone, in their order."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from re import fullmatch

from webhook_service.errors import Unavailable
from webhook_service.events import Json
from webhook_service.scim.answers import failure_of
from webhook_service.scim.patch import members_of
from webhook_service.scim.refusals import InvalidPath, InvalidSyntax, TooMuch, UnknownClient
from webhook_service.scim.resources import etag_of, location_of
from webhook_service.scim.users import Users
from webhook_service.scim.values import Person
from webhook_service.scim.versions import Versions, versions_in

RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
MOST_OPERATIONS = 200
MOST_SECONDS = 20.0
"""After so many seconds, the other operations are not performed, because a client waits for 30 to 60 seconds."""

METHODS = ("POST", "PUT", "PATCH", "DELETE")
REFERENCE = "bulkId:"


def operations_of(body: Json) -> tuple[list[Json], int | None]:
    """Return the operations of a bulk request, and the number of errors after which it ends.

    Raises InvalidSyntax, TooMuch.
    """
    if not isinstance(body, Mapping):
        raise InvalidSyntax("The body must be an object.")
    members = members_of(body)
    operations, limit = members.get("operations"), members.get("failonerrors")
    if not isinstance(operations, list):
        raise InvalidSyntax("The body must have a list of Operations.")
    if len(operations) > MOST_OPERATIONS:
        raise TooMuch(f"The body has more than {MOST_OPERATIONS} operations.")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidSyntax("failOnErrors must be a whole number from 1.")
    return operations, limit


@dataclass(slots=True)
class Bulk:
    """One bulk request. `is_valid` says whether its token is still valid, which is asked before each operation.

    `ids` has the ids of the created users by their bulkId. `clock` returns seconds.
    """

    users: Users
    base: str
    is_valid: Callable[[], bool]
    ids: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def perform(self, operations: list[Json], most_errors: int | None) -> dict[str, Json]:
        """Perform the operations until so many have failed, and return the response. The rest is not performed.

        Operations that begin after MOST_SECONDS are 503.
        """
        results: list[Json] = []
        errors = 0
        until = self.clock() + MOST_SECONDS
        for operation in operations:
            result = self.result_of(operation, is_late=self.clock() > until)
            results.append(result)
            errors += int(result["status"]) >= HTTPStatus.BAD_REQUEST
            if errors == most_errors:
                break
        return {"schemas": [RESPONSE_URN], "Operations": results}

    def result_of(self, operation: Json, *, is_late: bool = False) -> dict[str, str | Json]:
        """Perform an operation, and return its result: status, location and version, or the error message."""
        shown: dict[str, Json] = {}
        try:
            if not isinstance(operation, Mapping):
                raise InvalidSyntax("An operation must be an object.")
            members = members_of(operation)
            shown = {name: members[key] for name, key in (("method", "method"), ("bulkId", "bulkid")) if key in members}
            shown = {name: value for name, value in shown.items() if isinstance(value, str)}
            if is_late:
                raise Unavailable("database_slow", "The bulk request took too long: send this operation again.")
            if not self.is_valid():
                raise UnknownClient
            return shown | self._performed(members)
        except Exception as error:  # noqa: BLE001 (after any error, the other operations go on)
            failure = failure_of(error)
            return shown | {"status": str(failure.status.value), "response": failure.body}

    def _performed(self, members: Mapping[str, Json]) -> dict[str, Json]:
        method, id, bulk_id, versions = self._parts_of(members)
        data = members.get("data")
        if method != "DELETE" and not isinstance(data, Mapping):
            raise InvalidSyntax("The data of an operation must be an object.")
        if method == "POST":
            person = self.users.create(data)
            self.ids[bulk_id] = person.id
            return self._written(person, HTTPStatus.CREATED)
        if method == "PUT":
            return self._written(self.users.replace(id, data, versions), HTTPStatus.OK)
        if method == "PATCH":
            return self._written(self.users.patch(id, data, versions), HTTPStatus.OK)
        self.users.delete(id, versions)
        return {"status": str(HTTPStatus.NO_CONTENT.value)}

    def _parts_of(self, members: Mapping[str, Json]) -> tuple[str, str, str, Versions]:
        """Return the method, the id of the user (empty for POST), the bulkId and the versions of an operation."""
        method, path = members.get("method"), members.get("path")
        bulk_id, version = members.get("bulkid"), members.get("version")
        if not isinstance(method, str) or method.upper() not in METHODS:
            raise InvalidSyntax("The method of an operation must be POST, PUT, PATCH or DELETE.")
        method = method.upper()
        if version is not None and not isinstance(version, str):
            raise InvalidSyntax("The version of an operation must be a string.")
        found = fullmatch(r"/Users(?:/([^/?#]+))?", path) if isinstance(path, str) else None
        if found is None or (found[1] is None) != (method == "POST"):
            raise InvalidPath("The path must be /Users for POST, and /Users/{id} for other methods.")
        if method == "POST" and (not isinstance(bulk_id, str) or not bulk_id or bulk_id in self.ids):
            raise InvalidSyntax("A POST must have a bulkId, which no other operation has.")
        return method, self._id_of(found[1] or ""), bulk_id if isinstance(bulk_id, str) else "", versions_in(version)

    def _id_of(self, text: str) -> str:
        """Return the id of a user, which may be that of an operation before: `bulkId:...`."""
        if not text.startswith(REFERENCE):
            return text
        if (id := self.ids.get(text.removeprefix(REFERENCE))) is None:
            raise InvalidPath("The path has the bulkId of an operation that has not created a user.")
        return id

    def _written(self, person: Person, status: HTTPStatus) -> dict[str, Json]:
        location = location_of(person, self.base)
        return {"location": location, "version": etag_of(person), "status": str(status.value)}
