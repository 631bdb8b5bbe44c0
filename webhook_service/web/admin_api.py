"""The admin API: what the ledger holds, and replay. `Authorization: Bearer <ADMIN_API_KEY>`."""

import hmac
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from webhook_service import ledger, replay
from webhook_service.errors import InvalidQuery, Unauthorized
from webhook_service.events import Json, Outcome, Status
from webhook_service.payload import Timestamp
from webhook_service.strict_json import read_json
from webhook_service.web import Services

OPERATIONS = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "disable_auth_user",
    "enable_auth_user",
    "update_auth_email",
    "create_auth_user",
)
MAX_PAGE = 200
MAX_REPLAYS = 1000


class Filter(Schema):
    """Which events; as it is loaded, it is JSON for the database."""

    class Meta:
        unknown = RAISE

    status = fields.Enum(Status)
    outcome = fields.Enum(Outcome, by_value=True)
    operation = fields.String(validate=validate.OneOf(OPERATIONS))
    auth_user_id = fields.UUID()
    employee_id = fields.Integer(validate=validate.Range(0, 2**63 - 1))
    since = Timestamp()
    until = Timestamp()


class Page(Filter):
    cursor = fields.Integer(load_default=None, validate=validate.Range(1, 2**63 - 1))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))


class Replay(Schema):
    class Meta:
        unknown = RAISE

    requested_by = fields.String(load_default="", validate=validate.Regexp(r"[\w .@+-]{0,100}\Z"))

    @post_load
    def say_how_it_was_asked(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return data | {"requested_by": f"api:{data['requested_by']}".rstrip(":")}


class Replays(Replay):
    filter = fields.Nested(Filter, load_default=dict)
    dry_run = fields.Boolean(load_default=True)
    limit = fields.Integer(load_default=MAX_REPLAYS, validate=validate.Range(1, MAX_REPLAYS))


def blueprint(services: Services) -> Blueprint:
    admin_api = Blueprint("admin_api", __name__, url_prefix="/admin/api")
    database, policy = services.database, services.settings.policy

    @admin_api.before_request
    def authorize() -> None:
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, f"Bearer {services.settings.admin_api_key}".encode()):
            raise Unauthorized("unauthorized", "Needs the header Authorization: Bearer <ADMIN_API_KEY>.")

    @admin_api.get("/summary")
    def summary() -> Response:
        return jsonify(ledger.summary(database))

    @admin_api.get("/events")
    def events() -> Response:
        query = loaded(Page(), request.args)
        page = ledger.events(database, as_json(query), below=query.pop("cursor"), limit=query.pop("limit"))
        return jsonify(events=page["events"], next_cursor=page["next"] and str(page["next"]))

    @admin_api.get("/events/<event_id>")
    def event(event_id: str) -> Response:
        return jsonify(ledger.event(database, event_id))

    @admin_api.post("/events/<event_id>/replay")
    def replay_event(event_id: str) -> Response:
        asked = loaded(Replay(), json_body())
        return jsonify(asdict(replay.replay_event(database, policy, event_id, requested_by=asked["requested_by"])))

    @admin_api.post("/replays")
    def replay_events() -> Response:
        asked = loaded(Replays(), json_body())
        criteria = as_json(asked.pop("filter"))
        return jsonify(asdict(replay.replay_events(database, policy, criteria, **asked)))

    return admin_api


def json_body() -> Json:
    """The body, {} where there is none. Raises BadPayload."""
    body = request.get_data()
    return read_json(body) if body else {}


def loaded(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise InvalidQuery(error.messages_dict) from None
    return data


def as_json(data: Mapping[str, Any]) -> dict[str, Json]:
    """The filter's part of loaded values, as JSON."""
    chosen = {name: data[name] for name in Filter().fields if name in data}
    return {name: value.isoformat() if isinstance(value, datetime) else str(value) for name, value in chosen.items()}
