"""The page /admin/audit, which lists the acts of admins and directories, and on request all requests of directories."""

from flask import Blueprint, render_template, request

from webhook_service.ledger import audit
from webhook_service.web import Wiring
from webhook_service.web.pages.common import PAGE, audit_filter, cursor


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("audit", __name__, url_prefix="/admin")

    @views.get("/audit")
    def page() -> str:
        filter = audit_filter(request.args)
        found = audit.search(wiring.database, filter, below=cursor("below"), limit=PAGE)
        return render_template("audit.html", found=found, filter=filter)

    return views
