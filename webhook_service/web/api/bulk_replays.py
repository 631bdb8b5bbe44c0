"""The part of the admin API for bulk replays: a relay replays all events that match a filter, in the background."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from webhook_service.errors import EventNotFound
from webhook_service.events import Json
from webhook_service.ledger import audit, bulk_replay
from webhook_service.ledger.fields import Cursor, Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT, Filter, filter_json
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.api.events import MAX_PAGE, Replay, cursor_of, loaded, require_admin


class Pages(Schema):
    """The query of a list without filters."""

    class Meta:
        unknown = RAISE

    cursor = Cursor(load_default=None, allow_none=False, validate=validate.Range(1, MAX_BIGINT))
    limit = Whole(load_default=50, validate=validate.Range(1, MAX_PAGE))


def has_a_field(filter: Mapping[str, Any]) -> None:
    """Raise ValidationError if the filter is empty, as for all events of the ledger by mistake."""
    if not filter:
        raise ValidationError("At least one field is required.")


class BulkReplay(Replay):
    """The body of POST /admin/api/bulk-replays."""

    filter = fields.Nested(Filter, required=True, validate=has_a_field)
    dry_run = Truth(load_default=True)


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("bulk_replays_api", __name__, url_prefix="/admin/api/bulk-replays")
    database, policy = wiring.database, wiring.settings.policy
    require_admin(views, wiring)
    idempotency.repeat_answers(views, database)

    @views.get("")
    def page() -> Response:
        query = loaded(Pages(), request.args)
        found = bulk_replay.page(database, below=query["cursor"], limit=query["limit"])
        return jsonify(bulk_replays=found["jobs"], next_cursor=cursor_of(found["next"]))

    @views.post("")
    def begin() -> Response:
        """Preview a bulk replay, or begin it."""
        options = loaded(BulkReplay(), json_body())
        filter, who = filter_json(options["filter"]), options["requested_by"]
        if options["dry_run"]:
            preview = bulk_replay.preview(database, policy, filter)
            return jsonify(dry_run=True, matched=preview.matched, preview=asdict(preview), bulk_replay=None)
        with audit.attempt(database, who, "begin a bulk replay", None, filter=filter):
            begun = bulk_replay.begin(database, filter, requested_by=who)
        return jsonify(dry_run=False, matched=begun["matched"], preview=None, bulk_replay=found(begun["id"]))

    @views.get("/<int:id>")
    def job(id: int) -> Response:
        return jsonify(found(id))

    @views.post("/<int:id>/cancel")
    def cancel(id: int) -> Response:
        who = loaded(Replay(), json_body())["requested_by"]
        found(id)
        with audit.attempt(database, who, "cancel a bulk replay", f"replay:{id}"):
            bulk_replay.cancel(database, id, requested_by=who)
        return jsonify(found(id))

    def found(id: int) -> Json:
        """Return a bulk replay. Raises EventNotFound (`bulk_replay_not_found`)."""
        job = bulk_replay.job(database, id) if id <= MAX_BIGINT else None
        if job is None:
            raise EventNotFound("bulk_replay_not_found", "There is no such bulk replay.")
        return job

    return views
