"""The page /admin/employees/ID/edit, on which an admin corrects the e-mail, the names and the number of an employee."""

from flask import Blueprint, flash, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import EmailTaken, EmployeeNotFound, EmployeeRejected, InvalidQuery, NotPossible
from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import employee_changes
from webhook_service.web import Wiring
from webhook_service.web.api.employees import Edit
from webhook_service.web.api.events import loaded
from webhook_service.web.pages.common import attempt, wrong_fields
from webhook_service.web.pages.interrupted import typed
from webhook_service.web.pages.visitor import after_form

SAVED = "Saved."
SAVED_WITH_LOGIN = "Saved. The new e-mail of the login is requested too."
SAME = "Nothing was changed: the employee had these values already."

COLUMNS = ("email", "first_name", "last_name", "employee_number")


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("edit", __name__, url_prefix="/admin/employees/<int:employee_id>/edit")
    database = wiring.database

    @views.get("")
    def page(employee_id: int) -> str:
        employee, managed_by = found(employee_id)
        shown = {"employee": employee, "managed_by": managed_by}
        return render_template("employee_edit.html", **shown, given=employee | typed(), wrong={})

    @views.post("")
    def save(employee_id: int) -> Response | tuple[str, int]:
        """Save the values. If one is refused, show the form again with what was typed, and the reason at its field."""
        employee, managed_by = found(employee_id)
        given = {name: request.form.get(name, "").strip() or None for name in COLUMNS}
        try:
            values = loaded(Edit(), given)
            with attempt(wiring, "edit an employee", f"employee:{employee_id}") as act:
                changed = employee_changes.edit(database, employee_id, values)
                act.outcome = ", ".join(changed).replace("_", " ") or "no change"
        except (InvalidQuery, EmailTaken, EmployeeRejected) as error:
            shown = {"employee": employee, "managed_by": managed_by, "given": given, "wrong": wrong_fields(error)}
            return render_template("employee_edit.html", **shown), 422
        except NotPossible:
            employee, managed_by = found(employee_id)  # the directory may have become the manager since
            shown = {"employee": employee, "managed_by": managed_by, "given": employee, "wrong": {}}
            return render_template("employee_edit.html", **shown), 409
        follows = "email" in changed and employee["auth_user_id"] is not None
        flash(SAVED_WITH_LOGIN if follows else SAVED if changed else SAME, "success")
        return after_form(url_for("people.person", employee_id=employee_id))

    def found(employee_id: int) -> tuple[Json, str | None]:
        """Return the employee, and the name of the directory that manages it."""
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        person = employees.person(database, employee_id)
        return person["employee"], person["managed_by"]

    return views
