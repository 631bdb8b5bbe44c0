"""The page /admin/employees/new, on which an admin creates an employee with a login."""

from typing import Any

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from webhook_service.errors import EmailTaken, EmployeeRejected, InvalidQuery
from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.ledger.fields import WHOLE_NUMBER
from webhook_service.web import Wiring
from webhook_service.web.api.employees import NewEmployee, hire
from webhook_service.web.api.events import loaded
from webhook_service.web.pages.common import attempt, wrong_fields
from webhook_service.web.pages.interrupted import typed

COLUMNS = ("email", "first_name", "last_name", "employee_number", "user_type_id")


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("new_employee", __name__, url_prefix="/admin/employees/new")

    @views.get("")
    def page() -> str:
        return form(typed(), {}, [])

    @views.post("")
    def create() -> Response | tuple[str, int]:
        """Create the employee. Ask first if another employee has the number, which decides about logins.

        `shared_number` is the number about which the admin has been asked.
        """
        given = {name: text for name in (*COLUMNS, "login") if (text := request.form.get(name, "").strip())}
        try:
            requested = loaded(NewEmployee(), as_api_fields(given))
            number = requested["employee"].get("employee_number")
            others = employees.with_number(wiring.database, number) if number is not None else []
            if others and request.form.get("shared_number") != number:
                return form(given, {}, others), 422
            email = requested["employee"]["email"]
            with attempt(wiring, "create an employee", None, email=email) as act:
                hired = hire(
                    wiring.accounts,
                    requested["employee"],
                    email,
                    via="admin",
                    requested_by=act.who,
                    invite=requested["invite"],
                )
        except (InvalidQuery, EmailTaken, EmployeeRejected) as error:
            return form(given, wrong_fields(error), []), 422
        # Only this response has the temporary password, so it cannot be a redirect.
        return make_response(render_template("employee_created.html", hired=hired, email=email))

    def form(given: dict[str, str], wrong: dict[str, list[str]], same_number: list[Json]) -> str:
        can_create = wiring.accounts is not None
        shown = {"given": given, "wrong": wrong, "same_number": same_number, "can_create": can_create}
        return render_template("employee_new.html", **shown)

    return views


def as_api_fields(given: dict[str, str]) -> dict[str, Any]:
    """Return a form's texts as the fields of the API's request."""
    fields: dict[str, Any] = {name: text for name, text in given.items() if name != "login"}
    if WHOLE_NUMBER.fullmatch(fields.get("user_type_id", "")):
        fields["user_type_id"] = int(fields["user_type_id"])
    return fields | {"invite": given.get("login") == "invite"}
