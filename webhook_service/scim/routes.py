"""The SCIM server under /scim/v2. A request needs the token of a directory, and nothing else admits it.

The views with scim2-models and pydantic, whose import takes as long as half of all other imports, are imported at the
first request of a directory.
"""

import re
from functools import cache
from http import HTTPStatus
from threading import Lock

from flask import Blueprint, Response, abort, g, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from webhook_service.errors import ServiceError
from webhook_service.scim import audit
from webhook_service.scim.answers import answer, failure_of
from webhook_service.scim.clients import admit, client_of
from webhook_service.scim.refusals import Refusal, TooFast, UnknownClient
from webhook_service.web import Wiring

PATH = "/scim/v2"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
BULK = "perform_bulk"

RULES = (
    ("GET", "/Users", "find"),
    ("POST", "/Users/.search", "search"),
    ("POST", "/.search", "search"),
    ("POST", "/Users", "create"),
    ("GET", "/Users/<id>", "get"),
    ("PUT", "/Users/<id>", "replace"),
    ("PATCH", "/Users/<id>", "patch"),
    ("DELETE", "/Users/<id>", "delete"),
    ("POST", "/Bulk", BULK),
    ("GET", "/ServiceProviderConfig", "service_provider_config"),
    ("GET", "/ResourceTypes", "resource_types"),
    ("GET", "/ResourceTypes/<id>", "resource_types"),
    ("GET", "/Schemas", "schemas"),
    ("GET", "/Schemas/<id>", "schemas"),
)
"""The method, the path and the view of each request."""

START = Lock()
"""Held while the views are made, because the classes of users must be made once in a process."""

KNOWN_PATHS = {
    re.compile(r"Users|ServiceProviderConfig|(ResourceTypes|Schemas)(/[^/]+)?"): ("GET",),
    re.compile(r"Users/[^/]+"): ("GET", "PUT", "PATCH", "DELETE"),
    re.compile(r"Bulk|(Users/)?\.search"): ("POST",),
}
"""The paths that exist with other methods than the requested one."""


def blueprint(wiring: Wiring) -> Blueprint:
    """Return the views of the server."""
    base = (wiring.settings.pages.public_url or "").rstrip("/") + PATH
    scim = Blueprint("scim", __name__, url_prefix=PATH)

    @cache
    def views() -> object:
        from webhook_service.scim.views import Views

        return Views(wiring, base)

    def perform(**values: str) -> Response:
        """Perform the view of the request."""
        with START:
            view = getattr(views(), view_name())
        response: Response = view(**values)
        return response

    for method, path, name in RULES:
        scim.add_url_rule(path, name, perform, methods=(method,), provide_automatic_options=False)

    @scim.before_request
    def require_client() -> None:
        """Find the client by its token, and count the request. A bulk request is counted by its operations."""
        wait = 0.0
        g.scim_token = token()
        if view_name() == BULK:
            client = client_of(wiring.database, g.scim_token)
        else:
            client, wait = admit(wiring.database, g.scim_token, wiring.settings.scim.rate)
        if client is None:
            raise UnknownClient
        g.scim_client = client
        if wait:
            raise TooFast(wait)

    @scim.after_request
    def record_request(response: Response) -> Response:
        """Record the request, unless the store has. One that cannot be recorded gets no answer but 5xx.

        Only an admitted bulk request keeps its answer, because its writes are done and in the audit as acts.
        """
        if g.get("scim_is_audited") or not ("scim_client" in g or response.status_code == HTTPStatus.UNAUTHORIZED):
            return response
        view, status = view_name(), response.status_code
        id = (request.view_args or {}).get("id") if view in audit.OF_ONE_USER else None
        try:
            audit.record(wiring.database, token(), view, id, status, g.get("scim_details"))
        except ServiceError as error:
            failed = refused(error)
            is_kept = status >= HTTPStatus.INTERNAL_SERVER_ERROR or (view == BULK and status == HTTPStatus.OK)
            return response if is_kept else failed
        return response

    @scim.errorhandler(HTTPStatus.NOT_FOUND)  # the application's handler of 404 would come first
    @scim.errorhandler(Exception)
    def refused(error: Exception) -> Response:
        failure = failure_of(error)
        g.scim_is_audited = isinstance(error, Refusal) and error.is_audited
        return answer(failure.body, failure.status, failure.headers)

    @scim.route("/Me", methods=METHODS)
    def me() -> Response:
        """Refuse the alias of the user that sends a request."""
        abort(HTTPStatus.NOT_IMPLEMENTED, "A token belongs to a directory, not to a user.")

    @scim.route("/", defaults={"rest": ""}, methods=METHODS, strict_slashes=False)
    @scim.route("/<path:rest>", methods=METHODS)
    def unknown(rest: str) -> Response:
        """Refuse other paths and methods in the form of SCIM."""
        for pattern, methods in KNOWN_PATHS.items():
            if pattern.fullmatch(rest):
                raise MethodNotAllowed(methods)
        raise NotFound("There is no such resource.")

    return scim


def token() -> str:
    """Return the token of the request, or "" if it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def view_name() -> str:
    """Return the name of the requested view."""
    return (request.endpoint or "").rpartition(".")[2]
