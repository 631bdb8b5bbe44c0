"""The part of the admin API that reads the ledger and replays events. It requires the admin key."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from webhook_service.errors import InvalidQuery
from webhook_service.ledger import attention, audit, queries, replay
from webhook_service.ledger.fields import Cursor, Truth, Whole
from webhook_service.ledger.queries import MAX_BIGINT, Filter, filter_json
from webhook_service.outbound import client_changes
from webhook_service.outbound.refusals import no_auth_admin
from webhook_service.web import Wiring
from webhook_service.web.api import idempotency
from webhook_service.web.api.body import json_body
from webhook_service.web.attempts import check_bearer

MAX_PAGE = 200
MAX_REPLAYS = 1000
REQUESTED_BY_PATTERN = r"^[\w .@+-]{0,100}$"
REQUESTED_BY = validate.Regexp(r"[\w .@+-]{0,100}\Z")
REASON_PATTERN = r"^[^\u0000]{1,200}$"
REASON = validate.Regexp(r"[^\0]{1,200}\Z")


class Page(Filter):
    """The query of GET /admin/api/events."""

    cursor = Cursor(load_default=None, allow_none=False, validate=validate.Range(1, MAX_BIGINT))
    limit = Whole(load_default=50, validate=validate.Range(1, MAX_PAGE))


class Replay(Schema):
    """The body of POST /admin/api/events/{event_id}/replay and /drop."""

    class Meta:
        unknown = RAISE

    requested_by = fields.String(load_default="", validate=REQUESTED_BY, metadata={"pattern": REQUESTED_BY_PATTERN})

    @post_load
    def mark_as_from_api(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Prefix the name of the requester with `api:`."""
        return data | {"requested_by": f"api:{data['requested_by']}".rstrip(":")}


class Dismissal(Replay):
    """The body of POST /admin/api/events/{event_id}/dismiss."""

    reason = fields.String(required=True, validate=REASON, metadata={"pattern": REASON_PATTERN})


class Replays(Replay):
    """The body of POST /admin/api/replays."""

    filter = fields.Nested(Filter, load_default=dict)
    dry_run = Truth(load_default=True)
    cursor = Cursor(load_default=0, validate=validate.Range(0, MAX_BIGINT))
    limit = Whole(load_default=MAX_REPLAYS, validate=validate.Range(1, MAX_REPLAYS))


def blueprint(wiring: Wiring) -> Blueprint:
    admin_api = Blueprint("admin_api", __name__, url_prefix="/admin/api")
    database, policy = wiring.database, wiring.settings.policy

    require_admin(admin_api, wiring)
    idempotency.repeat_answers(admin_api, database)

    @admin_api.get("/summary")
    def summary() -> Response:
        return jsonify(queries.summary(database))

    @admin_api.get("/events")
    def events() -> Response:
        query = loaded(Page(), request.args)
        page = queries.events(database, filter_json(query), below=query["cursor"], limit=query["limit"])
        return jsonify(events=page["events"], next_cursor=cursor_of(page["next"]))

    @admin_api.get("/events/<event_id>")
    def event(event_id: str) -> Response:
        return jsonify(queries.event(database, event_id))

    @admin_api.post("/events/<event_id>/replay")
    def replay_event(event_id: str) -> Response:
        """Process an event again, or immediately perform an action that is open or needs attention."""
        requested_by = loaded(Replay(), json_body())["requested_by"]
        found = queries.event(database, event_id)
        with audit.attempt(database, requested_by, "replay", f"event:{event_id}") as act:
            if found["direction"] != "outbound":
                replayed = replay.replay_event(database, policy, event_id, requested_by=requested_by)
                act.outcome = str(replayed.outcome)
                return jsonify(asdict(replayed))
            if wiring.accounts is None:
                raise no_auth_admin()
            performed = wiring.accounts.perform_again(found, requested_by)
            act.outcome = str(performed.outcome)
        return jsonify(event_id=event_id, status=performed.status, outcome=performed.outcome, changes=performed.changes)

    @admin_api.post("/events/<event_id>/drop")
    def drop_change(event_id: str) -> Response:
        """Undo the change of a client, for which an action waits for an admin."""
        requested_by = loaded(Replay(), json_body())["requested_by"]
        queries.event(database, event_id)
        client_changes.drop(database, event_id, requested_by)
        return jsonify(event_id=event_id)

    @admin_api.post("/events/<event_id>/dismiss")
    def dismiss_event(event_id: str) -> Response:
        """Record that a failed event or action needs no attention."""
        options = loaded(Dismissal(), json_body())
        queries.event(database, event_id)
        target, reason = f"event:{event_id}", options["reason"].strip()
        with audit.attempt(database, options["requested_by"], "dismiss", target, reason=reason):
            attention.dismiss(database, event_id)
        found = queries.event(database, event_id)
        return jsonify(event_id=event_id, dismissed_at=found["dismissed_at"])

    @admin_api.post("/replays")
    def replay_events() -> Response:
        options = loaded(Replays(), json_body())
        filter = filter_json(options["filter"])
        who, is_dry = options["requested_by"], options["dry_run"]
        with nullcontext() if is_dry else audit.attempt(database, who, "replay events", None, filter=filter) as act:
            done = replay.replay_events(
                database,
                policy,
                filter,
                requested_by=who,
                dry_run=is_dry,
                limit=options["limit"],
                after=options["cursor"],
            )
            if act is not None:
                act.outcome = f"{done.replayed} replayed"
        answer = asdict(done)
        return jsonify(answer | {"next_cursor": cursor_of(answer.pop("next"))})

    return admin_api


def require_admin(blueprint: Blueprint, wiring: Wiring) -> None:
    """Require the admin key for every route of the blueprint, before anything else is read."""

    @blueprint.before_request
    def authorize() -> None:
        check_bearer(wiring)


def loaded(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate the values with the schema, and return them. Raises InvalidQuery."""
    try:
        data: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise InvalidQuery(error.messages_dict) from None
    return data


def cursor_of(next: int | None) -> str | None:
    """Return a cursor as a text, which callers pass back unchanged."""
    return None if next is None else str(next)
