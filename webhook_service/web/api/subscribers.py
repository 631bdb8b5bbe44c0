"""The admin API for subscribers. It needs `Authorization: Bearer <ADMIN_API_KEY>`."""

from flask import Blueprint, Response, jsonify
from marshmallow import fields, validate

from webhook_service.ledger.fields import Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.subscribers import registry
from webhook_service.subscribers.event_types import EventType
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import Replay, loaded, require_admin

NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,62}$"
LONGEST_URL = 2000


class NewSubscriber(Replay):
    """The body of POST /admin/api/subscribers."""

    name = fields.String(
        required=True, validate=validate.Regexp(registry.NAME.pattern + r"\Z"), metadata={"pattern": NAME_PATTERN}
    )
    url = fields.String(required=True, validate=validate.Length(1, LONGEST_URL))
    types = fields.List(fields.String(validate=validate.OneOf([str(each) for each in EventType])), load_default=list)
    allow_private = Truth(load_default=False)


class OfDelivery(Replay):
    """The body of POST /admin/api/subscribers/{name}/replay. Without `delivery`, all dead deliveries are meant."""

    delivery = Whole(load_default=None, allow_none=True, validate=validate.Range(1, MAX_BIGINT))


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("subscribers_api", __name__, url_prefix="/admin/api/subscribers")
    database, private = wiring.database, wiring.settings.event_private_addresses
    require_admin(views, wiring)
    idempotency.repeat_answers(views, database)

    @views.get("")
    def page() -> Response:
        return jsonify(subscribers=registry.listed(database))

    @views.post("")
    def create() -> tuple[Response, int]:
        new = loaded(NewSubscriber(), json_body())
        types = [EventType(each) for each in dict.fromkeys(new["types"])]
        secret = registry.create(
            database,
            new["name"],
            new["url"],
            types,
            who=new["requested_by"],
            allow_private=new["allow_private"],
            private_addresses=private,
        )
        return with_secret(new["name"], secret), 201

    @views.get("/<name>")
    def subscriber(name: str) -> Response:
        return jsonify(registry.shown(database, name))

    @views.post("/<name>/enable")
    def enable(name: str) -> Response:
        return switched(name, is_enabled=True)

    @views.post("/<name>/disable")
    def disable(name: str) -> Response:
        return switched(name, is_enabled=False)

    @views.post("/<name>/rotate")
    def rotate(name: str) -> Response:
        return with_secret(name, registry.rotate(database, name, who=requester()))

    @views.post("/<name>/remove")
    def remove(name: str) -> Response:
        registry.remove(database, name, who=requester())
        return jsonify(name=name)

    @views.post("/<name>/test")
    def test(name: str) -> Response:
        answer = registry.try_out(database, name, who=requester(), private_addresses=private, now=wiring.now())
        return jsonify(name=name, status_code=answer.status_code, error=answer.error)

    @views.post("/<name>/replay")
    def replay(name: str) -> Response:
        options = loaded(OfDelivery(), json_body())
        replayed = registry.replay(database, name, options["delivery"], who=options["requested_by"])
        return jsonify(name=name, replayed=replayed)

    def switched(name: str, *, is_enabled: bool) -> Response:
        registry.enable(database, name, who=requester(), is_enabled=is_enabled)
        return jsonify(registry.shown(database, name))

    return views


def requester() -> str:
    """Return who requests the change, from a body without other fields."""
    return str(loaded(Replay(), json_body())["requested_by"])


def with_secret(name: str, secret: str) -> Response:
    """Return the response that shows a new secret."""
    response = jsonify(name=name, secret=secret, secret_was_shown=False)
    response.headers["Cache-Control"] = "no-store"
    return response
