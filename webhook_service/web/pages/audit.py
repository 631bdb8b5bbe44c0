"""The page /admin/audit, which lists the actions of admins."""

from flask import Blueprint, render_template

from webhook_service.web import Wiring
from webhook_service.web.pages.common import PAGE, cursor


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("audit", __name__, url_prefix="/admin")

    @views.get("/audit")
    def page() -> str:
        found = wiring.database.call("auth_sync_audit_page_v1", p_target=None, p_below=cursor("below"), p_limit=PAGE)
        return render_template("audit.html", found=found)

    return views
