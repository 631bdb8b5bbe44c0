"""/admin/held: an admin decides about the bans that are held for one reason. The overview has the buttons."""

from flask import Blueprint, abort, flash, g, request, url_for
from werkzeug.wrappers import Response

from webhook_service.outbound import held
from webhook_service.outbound.held import Reason
from webhook_service.web import Wiring
from webhook_service.web.pages.visitor import after_form


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("held", __name__, url_prefix="/admin/held")
    database = wiring.database

    # The database audits each decision in its own transaction.
    @views.post("/release")
    def release() -> Response:
        count = held.release(database, g.admin.name, newest_id(), reason())
        flash(f"Bans requested: {count:,}. The relay performs them.", "success")
        return after_form(url_for("overview.page"))

    @views.post("/discard")
    def discard() -> Response:
        count = held.discard(database, g.admin.name, newest_id(), reason())
        flash(f"Bans dropped: {count:,}. The logins stay as they are.")
        return after_form(url_for("overview.page"))

    return views


def newest_id() -> int | None:
    """Return the newest ban that the page showed to the admin."""
    text = request.form.get("newest_id", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def reason() -> Reason:
    """Return the reason of the bans in the form. Other values get a 400."""
    try:
        return Reason(request.form.get("reason", ""))
    except ValueError:
        abort(400)
