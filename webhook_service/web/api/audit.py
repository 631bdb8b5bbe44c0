"""The part of the admin API that reads the audit."""

from flask import Blueprint, Response, jsonify, request
from marshmallow import RAISE, Schema, fields, validate

from webhook_service.inbound.schema import Timestamp
from webhook_service.ledger import audit
from webhook_service.ledger.fields import Cursor, Flag, Whole
from webhook_service.ledger.queries import MAX_BIGINT, as_text
from webhook_service.web import Wiring
from webhook_service.web.api.events import MAX_PAGE, cursor_of, loaded, require_admin

FILTERS = ("who", "target", "since", "until", "requests")
SHORT_TEXT = [validate.Length(1, 300), validate.ContainsNoneOf("\0")]


class AuditPage(Schema):
    """The query of GET /admin/api/audit."""

    class Meta:
        unknown = RAISE

    who = fields.String(validate=SHORT_TEXT)
    target = fields.String(validate=SHORT_TEXT)
    since = Timestamp()
    until = Timestamp()
    requests = Flag()
    cursor = Cursor(load_default=None, allow_none=False, validate=validate.Range(1, MAX_BIGINT))
    limit = Whole(load_default=50, validate=validate.Range(1, MAX_PAGE))


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("audit_api", __name__, url_prefix="/admin/api/audit")
    require_admin(views, wiring)

    @views.get("")
    def page() -> Response:
        query = loaded(AuditPage(), request.args)
        filter = {name: as_text(query[name]) for name in FILTERS if name in query}
        found = audit.search(wiring.database, filter, below=query["cursor"], limit=query["limit"])
        return jsonify(entries=found["entries"], next_cursor=cursor_of(found["next"]))

    return views
