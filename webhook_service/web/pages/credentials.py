"""An employee's new temporary password, and another invitation."""

from uuid import UUID

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webhook_service.errors import EmployeeNotFound, NotPossible, ServiceError
from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.ledger.queries import MAX_BIGINT
from webhook_service.outbound import credentials
from webhook_service.outbound.refusals import REFUSALS
from webhook_service.web import Wiring
from webhook_service.web.pages.common import attempt


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("credentials", __name__, url_prefix="/admin/employees/<int:employee_id>")
    database = wiring.database

    @views.post("/password")
    def set_password(employee_id: int) -> Response:
        """Set a new temporary password. Only this response has it, so it cannot be a redirect."""
        try:
            with attempt(wiring, "set a temporary password", f"employee:{employee_id}"):
                employee, login = active(employee_id)
                password = credentials.set_temporary_password(wiring.accounts, login)
        except ServiceError as error:
            flash(f"Password not set: {error.detail}", "warning")
            return redirect(url_for("people.person", employee_id=employee_id), 303)
        return make_response(render_template("employee_password.html", employee=employee, password=password))

    @views.post("/invitation")
    def invite(employee_id: int) -> Response:
        try:
            with attempt(wiring, "send an invitation", f"employee:{employee_id}"):
                _, login = active(employee_id)
                credentials.invite_again(wiring.accounts, login)
        except ServiceError as error:
            flash(f"Invitation not sent: {error.detail}", "warning")
        else:
            flash("Supabase was asked to send another invitation.", "success")
        return redirect(url_for("people.person", employee_id=employee_id), 303)

    def active(employee_id: int) -> tuple[Json, UUID]:
        """Return an active employee and the login that the admin has seen. Raises EmployeeNotFound, NotPossible."""
        if employee_id > MAX_BIGINT:
            raise EmployeeNotFound
        employee = employees.person(database, employee_id)["employee"]
        login = employee["auth_user_id"]
        if login is None or login != request.form.get("auth_user_id"):
            raise NotPossible("login_changed", REFUSALS["login_changed"])
        if not employee["is_active"]:
            raise NotPossible("inactive", REFUSALS["inactive"])
        return employee, UUID(login)

    return views
