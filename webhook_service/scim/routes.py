"""The SCIM server under /scim/v2. A request needs the token of a directory, and nothing else admits it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, current_app, g, request
from scim2_models import Context, ListResponse, Resource, ResponseParameters, ScimObject
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound

from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.inbound.strict_json import read_json
from webhook_service.scim import audit, bulk, discovery
from webhook_service.scim.answers import failure_of
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.bulk import Bulk
from webhook_service.scim.clients import admit, client_of, spend
from webhook_service.scim.logins import welcome
from webhook_service.scim.models import models_of
from webhook_service.scim.queries import Query, query_of, search_of, shown_in
from webhook_service.scim.refusals import InvalidSyntax, Refusal, TooFast, UnknownClient
from webhook_service.scim.resources import etag_of, location_of, user_of
from webhook_service.scim.store import Store
from webhook_service.scim.users import Users
from webhook_service.scim.values import Person
from webhook_service.scim.versions import versions_in
from webhook_service.web import Wiring
from webhook_service.web.bodies import read_body

PATH = "/scim/v2"
CONTENT_TYPE = "application/scim+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

KNOWN_PATHS = {
    re.compile(r"Users|ServiceProviderConfig|(ResourceTypes|Schemas)(/[^/]+)?"): ("GET",),
    re.compile(r"Users/[^/]+"): ("GET", "PUT", "PATCH", "DELETE"),
    re.compile(r"Bulk|(Users/)?\.search"): ("POST",),
}
"""The paths that exist with other methods than the requested one."""


def blueprint(wiring: Wiring) -> Blueprint:
    """Return the views of the server."""
    chosen = wiring.settings.scim
    base = (wiring.settings.pages.public_url or "").rstrip("/") + PATH
    new_login = partial(welcome, wiring.accounts, chosen.new_logins)
    store = Store(wiring.database, chosen.attributes, chosen.removes, new_login)
    views = Blueprint("scim", __name__, url_prefix=PATH)
    attributes = Attributes(store.attributes)

    def token() -> str:
        """Return the token of the request, or "" if it has none."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def is_valid() -> bool:
        return client_of(wiring.database, token()) is not None

    def users() -> Users:
        return Users(store, g.scim_client, attributes)

    def one(person: Person, status: HTTPStatus = HTTPStatus.OK) -> Response:
        """Return a response with a user, whose parts the parameters of the URL choose."""
        user = user_of(person, attributes, base)
        headers = {"ETag": etag_of(person), "Location": location_of(person, base)}
        return answer(dump(user, shown_in(request.args)), status, headers)

    def page(query: Query) -> Response:
        total, people = users().find(query)
        found = [user_of(person, attributes, base) for person in people]
        return listed(models_of(attributes.extra)[0], found, total, query.start, query.shown)

    @views.before_request
    def require_client() -> None:
        """Find the client by its token, and count the request. A bulk request is counted by its operations."""
        wait = 0.0
        if request.endpoint == f"{views.name}.{perform_bulk.__name__}":
            client = client_of(wiring.database, token())
        else:
            client, wait = admit(wiring.database, token(), chosen.rate)
        if client is None:
            raise UnknownClient
        g.scim_client = client
        if wait:
            raise TooFast(wait)

    @views.after_request
    def record_request(response: Response) -> Response:
        """Record the request, unless the store has. A request that cannot be recorded gets no answer but 5xx."""
        if g.get("scim_is_audited") or not ("scim_client" in g or response.status_code == HTTPStatus.UNAUTHORIZED):
            return response
        view, id = (request.endpoint or "").rpartition(".")[2], (request.view_args or {}).get("id")
        try:
            audit.record(wiring.database, token(), view, id, response.status_code, g.get("scim_details"))
        except ServiceError as error:
            failed = refused(error)
            return failed if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else response
        return response

    @views.errorhandler(HTTPStatus.NOT_FOUND)  # the application's handler of 404 would come first
    @views.errorhandler(Exception)
    def refused(error: Exception) -> Response:
        failure = failure_of(error)
        g.scim_is_audited = isinstance(error, Refusal) and error.is_audited
        return answer(failure.body, failure.status, failure.headers)

    @views.get("/Users")
    def find() -> Response:
        """Return a page of the users that a filter selects."""
        return page(query_of(request.args.to_dict(), attributes))

    @views.post("/Users/.search")
    @views.post("/.search")
    def search() -> Response:
        """Do the same, with the parameters in the body."""
        return page(search_of(json_body(), attributes))

    @views.post("/Users")
    def create() -> Response:
        """Create a user."""
        return one(users().create(json_body()), HTTPStatus.CREATED)

    @views.get("/Users/<id>")
    def get(id: str) -> Response:
        """Return a user, or 304 if the client has the version."""
        person = users().get(id)
        known = request.headers.get("If-None-Match")
        if known is not None and ((versions := versions_in(known)) is None or person.version in versions):
            return answer(None, HTTPStatus.NOT_MODIFIED, {"ETag": etag_of(person)})
        return one(person)

    @views.put("/Users/<id>")
    def replace(id: str) -> Response:
        """Replace the values of a user."""
        return one(users().replace(id, json_body(), versions_in(request.headers.get("If-Match"))))

    @views.patch("/Users/<id>")
    def patch(id: str) -> Response:
        """Change values of a user."""
        return one(users().patch(id, json_body(), versions_in(request.headers.get("If-Match"))))

    @views.delete("/Users/<id>")
    def delete(id: str) -> Response:
        """Deactivate a user, who does not exist for the client any more."""
        users().delete(id, versions_in(request.headers.get("If-Match")))
        return answer(None, HTTPStatus.NO_CONTENT)

    @views.post("/Bulk")
    def perform_bulk() -> Response:
        """Perform several operations. Each counts as a request."""
        operations: list[Json] = []
        try:
            operations, most_errors = bulk.operations_of(json_body())
        finally:  # a malformed request counts too
            if wait := spend(wiring.database, g.scim_client, max(1, len(operations)), chosen.rate):
                raise TooFast(wait)
        results = Bulk(users(), base, is_valid).perform(operations, most_errors)
        g.scim_details = {"statuses": Counter(each["status"] for each in results["Operations"])}
        return answer(results)

    @views.get("/ServiceProviderConfig")
    def service_provider_config() -> Response:
        """Return the features of the server."""
        most_bytes = wiring.settings.max_body_bytes
        return answer(dump(discovery.service_provider_config(base, bulk.MOST_OPERATIONS, most_bytes)))

    @views.get("/ResourceTypes", defaults={"id": None})
    @views.get("/ResourceTypes/<id>")
    def resource_types(id: str | None) -> Response:
        """Return the types of resources."""
        return discovered(discovery.resource_types(attributes, base), id)

    @views.get("/Schemas", defaults={"id": None})
    @views.get("/Schemas/<id>")
    def schemas(id: str | None) -> Response:
        """Return the schemas."""
        return discovered(discovery.schemas(attributes, base), id)

    @views.route("/Me", methods=METHODS)
    def me() -> Response:
        """Refuse the alias of the user that sends a request."""
        abort(HTTPStatus.NOT_IMPLEMENTED, "A token belongs to a directory, not to a user.")

    @views.route("/", defaults={"rest": ""}, methods=METHODS, strict_slashes=False)
    @views.route("/<path:rest>", methods=METHODS)
    def unknown(rest: str) -> Response:
        """Refuse other paths and methods in the form of SCIM."""
        for pattern, methods in KNOWN_PATHS.items():
            if pattern.fullmatch(rest):
                raise MethodNotAllowed(methods)
        raise NotFound("There is no such resource.")

    return views


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


def answer(body: Json, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response, which caches must not keep."""
    text = json.dumps(body) if body is not None else None
    response = Response(text, status, content_type=CONTENT_TYPE)
    if text is None:
        del response.headers["Content-Type"]
    response.headers |= {"Cache-Control": "no-store", **(headers or {})}
    return response
