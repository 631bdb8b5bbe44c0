"""The page /admin/comparison, which shows the last comparison of auth users with employees, and makes a new one."""

from flask import Blueprint, flash, render_template, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import ServiceError
from webhook_service.ledger import comparison
from webhook_service.web import Wiring
from webhook_service.web.pages.common import attempt
from webhook_service.web.pages.visitor import after_form
from webhook_service.wording.counts import differences


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("comparison", __name__, url_prefix="/admin/comparison")
    database = wiring.database

    @views.get("")
    def page() -> str:
        return render_template("comparison.html", last=comparison.last(database), command=comparison.COMMAND)

    @views.post("")
    def compare() -> Response:
        """Compare now. The comparison changes nothing."""
        try:
            with attempt(wiring, "compare employees and logins") as act:
                planned = comparison.compare(database, wiring.settings.policy, requested_by=act.who)
                count = sum(planned.compared.differences.values())
                act.outcome = differences(count)
        except ServiceError as error:
            flash(f"Not compared: {error.detail}", "warning")
        else:
            flash(f"Compared: {differences(count)}.", "warning" if count else "success")
        return after_form(url_for("comparison.page"))

    return views
