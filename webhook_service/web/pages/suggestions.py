"""Suggestions for the search of a person, as options of a list."""

from flask import Blueprint, render_template, request

from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.web import Wiring
from webhook_service.web.pages.common import people_filter

MOST = 8
SHORTEST = 2
"""The largest number of suggestions, and the number of characters from which people are suggested."""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("suggestions", __name__, url_prefix="/admin/suggestions")

    @views.get("/people")
    def people() -> str:
        """Return the first employees that match the text in the query parameter `person`."""
        filter, _ = people_filter({"person": request.args.get("person", "")})
        if len(filter.get("person", "")) < SHORTEST:
            return ""
        found = employees.people(wiring.database, filter, after=None, limit=MOST, most=MOST)["employees"]
        return render_template("suggestions.html", options=[option(each) for each in found])

    return views


def option(employee: Json) -> tuple[str, str]:
    """Return the text that finds the employee, and a label with the name."""
    value = str(employee["email"] or employee["employee_number"] or employee["employee_id"]).strip()
    name = " ".join(filter(None, (employee["first_name"], employee["last_name"])))
    return value, " · ".join(filter(None, (name, employee["employee_number"])))
