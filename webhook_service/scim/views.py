"""The views that need scim2-models. `routes` imports them at the first request of a directory."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, g, request
from scim2_models import Context, ListResponse, Resource, ResponseParameters, ScimObject
from werkzeug.exceptions import Forbidden, NotFound

from webhook_service.events import Json
from webhook_service.inbound.strict_json import read_json
from webhook_service.scim import bulk, discovery
from webhook_service.scim.answers import answer
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.bulk import Bulk
from webhook_service.scim.clients import client_of, spend
from webhook_service.scim.logins import welcome
from webhook_service.scim.models import models_of
from webhook_service.scim.queries import Query, query_of, search_of, shown_in
from webhook_service.scim.refusals import InvalidSyntax, TooFast
from webhook_service.scim.resources import etag_of, location_of, user_of
from webhook_service.scim.store import Store
from webhook_service.scim.users import Users
from webhook_service.scim.values import Person
from webhook_service.scim.versions import versions_in
from webhook_service.web import Wiring
from webhook_service.web.bodies import read_body


class Views:
    """The views, by the names in `routes.RULES`. `base` is the URL or path of the server.

    A request has its client in `g.scim_client` and its token in `g.scim_token`.
    """

    def __init__(self, wiring: Wiring, base: str) -> None:
        self._database, self._settings, self._base = wiring.database, wiring.settings, base
        chosen = wiring.settings.scim
        new_login = partial(welcome, wiring.accounts, chosen.new_logins)
        self._store = Store(wiring.database, chosen.attributes, chosen.removes, new_login)
        self._attributes = Attributes(chosen.attributes)
        self._model = models_of(self._attributes.extra)[0]

    def find(self) -> Response:
        """Return a page of the users that a filter selects."""
        return self._page(query_of(request.args.to_dict(), self._attributes))

    def search(self) -> Response:
        """Do the same, with the parameters in the body."""
        return self._page(search_of(json_body(), self._attributes))

    def create(self) -> Response:
        """Create a user."""
        return self._one(self._users().create(json_body()), HTTPStatus.CREATED)

    def get(self, id: str) -> Response:
        """Return a user, or 304 if the client has the version."""
        person = self._users().get(id)
        known = request.headers.get("If-None-Match")
        if known is not None and ((versions := versions_in(known)) is None or person.version in versions):
            return answer(None, HTTPStatus.NOT_MODIFIED, {"ETag": etag_of(person)})
        return self._one(person)

    def replace(self, id: str) -> Response:
        """Replace the values of a user."""
        return self._one(self._users().replace(id, json_body(), versions_in(request.headers.get("If-Match"))))

    def patch(self, id: str) -> Response:
        """Change values of a user."""
        return self._one(self._users().patch(id, json_body(), versions_in(request.headers.get("If-Match"))))

    def delete(self, id: str) -> Response:
        """Deactivate a user, who does not exist for the client any more."""
        self._users().delete(id, versions_in(request.headers.get("If-Match")))
        return answer(None, HTTPStatus.NO_CONTENT)

    def perform_bulk(self) -> Response:
        """Perform several operations. Each counts as a request."""
        operations: list[Json] = []
        try:
            operations, most_errors = bulk.operations_of(json_body())
        finally:  # a malformed request counts too
            if wait := spend(self._database, g.scim_client, max(1, len(operations)), self._settings.scim.rate):
                raise TooFast(wait)
        results = Bulk(self._users(), self._base, self._is_valid).perform(operations, most_errors)
        g.scim_details = {"statuses": Counter(each["status"] for each in results["Operations"])}
        return answer(results)

    def service_provider_config(self) -> Response:
        """Return the features of the server."""
        most_bytes = self._settings.max_body_bytes
        return answer(dump(discovery.service_provider_config(self._base, bulk.MOST_OPERATIONS, most_bytes)))

    def resource_types(self, id: str | None = None) -> Response:
        """Return the types of resources."""
        return discovered(discovery.resource_types(self._attributes, self._base), id)

    def schemas(self, id: str | None = None) -> Response:
        """Return the schemas."""
        return discovered(discovery.schemas(self._attributes, self._base), id)

    def _users(self) -> Users:
        return Users(self._store, g.scim_client, self._attributes)

    def _is_valid(self) -> bool:
        return client_of(self._database, g.scim_token) is not None

    def _one(self, person: Person, status: HTTPStatus = HTTPStatus.OK) -> Response:
        """Return a response with a user, whose parts the parameters of the URL choose."""
        user = user_of(person, self._attributes, self._base)
        headers = {"ETag": etag_of(person), "Location": location_of(person, self._base)}
        return answer(dump(user, shown_in(request.args)), status, headers)

    def _page(self, query: Query) -> Response:
        total, people = self._users().find(query)
        found = [user_of(person, self._attributes, self._base) for person in people]
        return listed(self._model, found, total, query.start, query.shown)


def discovered(resources: Sequence[Resource[Any]], id: str | None) -> Response:
    """Return all resources, or the one with this id. A filter is not possible (RFC 7644, 4)."""
    if "filter" in request.args:
        raise Forbidden("These resources cannot be filtered.")
    if id is None:
        return listed(type(resources[0]), resources, len(resources))
    found = next((each for each in resources if each.id == id), None)
    if found is None:
        raise NotFound("There is no such resource.")
    return answer(dump(found))


def listed(
    model: type[Resource[Any]],
    resources: Sequence[Resource[Any]],
    total: int,
    start: int = 1,
    shown: ResponseParameters[Any] | None = None,
) -> Response:
    """Return a page of a list, of which `total` resources exist and the first of the page has the index `start`."""
    page: ListResponse[Any] = ListResponse.__class_getitem__(model)(
        total_results=total, start_index=start, items_per_page=len(resources), resources=list(resources)
    )
    return answer({"Resources": []} | dump(page, shown))


def dump(message: ScimObject, shown: ResponseParameters[Any] | None = None) -> dict[str, Json]:
    """Return a resource or a list as JSON, with the parts of resources that a client asks for."""
    context = Context.RESOURCE_QUERY_RESPONSE if shown is not None else Context.DEFAULT  # which is three times as fast
    return message.model_dump(scim_ctx=context, response_parameters=shown)


def json_body() -> Json:
    """Return the body of the request. Raises BadPayload, PayloadTooLarge, InvalidSyntax."""
    body = read_body(request.environ, current_app.config["MAX_CONTENT_LENGTH"])
    if not body:
        raise InvalidSyntax("The request must have a body.")
    return read_json(body)
