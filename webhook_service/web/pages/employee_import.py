"""The pages /admin/employees/import, on which an admin uploads a CSV file, reads the plan and applies it.

The database keeps the lines of the file for half an hour. The plan that the page shows is the plan that is applied.
"""

from contextlib import closing
from uuid import UUID

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from webhook_service.errors import BadPayload, NotPossible
from webhook_service.events import Json
from webhook_service.ledger import employee_import
from webhook_service.ledger.employee_import import Options
from webhook_service.web import Wiring
from webhook_service.web.api.imports import MAX_BYTES, MAX_LINES
from webhook_service.web.pages.common import attempt
from webhook_service.web.pages.session import signed_in
from webhook_service.wording import imports

CONFIRMATION = "deactivate"
"""The word that an admin types to confirm a mass deactivation."""

MEMORY_BYTES = 500_000
"""The part of an upload that is in memory while it is read. The rest of a larger file is in a temporary file."""

EXPIRED = "The file was uploaded more than half an hour ago, or is imported already. Upload it again."
TOO_LARGE = "The file is larger than 5 MB. Import it with the command webhook-service import, or in parts."


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("employee_import", __name__, url_prefix="/admin/employees/import")
    database = wiring.database

    @views.before_request
    def allow_file() -> None:
        """Allow a signed-in admin to upload a file. Other visitors keep the limit for forms (`site.limit_forms`)."""
        if request.endpoint == "employee_import.upload" and signed_in(wiring) is not None:
            request.max_content_length = MAX_BYTES
            request.max_form_memory_size = MEMORY_BYTES

    @views.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response | tuple[str, int]:
        if "admin" not in g:
            return redirect(url_for("session.login", next=url_for("employee_import.page")), 303)
        return form(TOO_LARGE), 413

    @views.get("")
    def page() -> str:
        return form(None)

    @views.post("")
    def upload() -> Response | tuple[str, int]:
        """Store the file and plan the import."""
        file = request.files.get("file")
        if file is None or not file.filename:
            return form("Choose a file first."), 422
        with closing(file):
            content = file.read()
        try:
            read = employee_import.read_file(database, content, most_lines=MAX_LINES)
        except BadPayload as error:
            return form(error.detail), 422
        missing = request.form.get("deactivate_missing") == "yes"
        id = employee_import.store(database, read, who=g.admin.name, deactivate_missing=missing)
        employee_import.plan(database, id)
        flash(f"{len(read.lines):,} lines were read in {read.encoding}. Nothing is changed yet.")
        if read.ignored:
            flash(f"These columns are not imported: {', '.join(read.ignored)}.", "warning")
        return redirect(url_for("employee_import.preview", id=id), 303)

    @views.get("/<uuid:id>")
    def preview(id: UUID) -> str:
        return plan_page(id, planned(id))

    @views.post("/<uuid:id>")
    def apply(id: UUID) -> Response | tuple[str, int]:
        """Apply the plan that the admin has seen. If it is not possible, show the plan again with the reason."""
        plan = planned(id)
        options = Options(
            skip_refused=request.form.get("skip_refused") == "yes",
            allow_mass_deactivation=request.form.get("confirmation", "").strip().lower() == CONFIRMATION,
        )
        if blocked := employee_import.why_blocked(plan, options):
            return plan_page(id, plan, blocked, skips=options.skip_refused), 422
        try:
            with attempt(wiring, employee_import.ACTION, None, **plan["counts"]) as act:
                result = employee_import.apply(database, id, request.form.get("digest", ""), options)
                if result["state"] != "applied":
                    raise employee_import.refusal(result, options)
                act.outcome = imports.counted(result)
        except NotPossible as error:
            if error.reason == "import_expired":
                abort(404, EXPIRED)
            return plan_page(id, planned(id), error.reason), 422
        flash(f"Imported: {imports.counted(result)}.", "success")
        return redirect(url_for("people.page"), 303)

    @views.post("/<uuid:id>/discard")
    def discard(id: UUID) -> Response:
        employee_import.discard(database, id)
        flash("Nothing was imported, and the file is deleted.")
        return redirect(url_for("employee_import.page"), 303)

    def planned(id: UUID) -> Json:
        try:
            return employee_import.planned(database, id)
        except NotPossible:
            abort(404, EXPIRED)

    def form(wrong: str | None) -> str:
        columns = [name for name, is_written in employee_import.columns(database).items() if is_written]
        return render_template("employee_import.html", wrong=wrong, columns=sorted(columns))

    def plan_page(id: UUID, plan: Json, blocked: str | None = None, *, skips: bool = False) -> str:
        return render_template(
            "employee_import_plan.html",
            id=id,
            plan=plan,
            skips=skips,
            words=imports,
            confirmation=CONFIRMATION,
            problem=employee_import.BLOCKED[blocked] if blocked else None,
            changes_nothing=employee_import.changes_nothing(plan),
        )

    return views
