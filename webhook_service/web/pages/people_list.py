"""The page /admin/employees, which lists employees and problems."""

from flask import Blueprint, render_template, request

from webhook_service.events import Json
from webhook_service.ledger import comparison, employees
from webhook_service.ledger.standing import standing
from webhook_service.web import Wiring
from webhook_service.web.pages.common import PAGE, people_filter
from webhook_service.web.pages.listing import pages_of, position

NOBODY: Json = {"employees": [], "matched": 0, "is_estimated": False, "sorts": [], "first": 1}
"""The result of a search with an unknown filter, order or position."""

COLUMNS = {"name": "Name", "email": "E-mail", "number": "Number"}
"""The sortable columns of the table by the names of `employees.listed`."""


WRONG = {
    "sync_status": "Nothing is shown, because there is no sync status “{value}”.",
    "sort": "Nothing is shown, because employees cannot be sorted by “{value}”.",
    "page": "Nothing is shown, because the list has no page “{value}”.",
}
"""The errors of the address."""


def add_list(views: Blueprint, wiring: Wiring) -> None:
    """Add the list to the blueprint of the employees' pages."""
    database = wiring.database

    @views.get("")
    def page() -> str:
        filter, is_unknown = people_filter(request.args)
        where, sort = position(request.args, "after", "before"), request.args.get("sort", "").strip()
        if is_unknown:
            wrong = WRONG["sync_status"].format(value=filter["sync_status"])
        elif sort.removeprefix("-") not in ("", "id", *COLUMNS) or sort == "-":
            wrong = WRONG["sort"].format(value=sort[:50])
        elif where.wrong is not None:
            wrong = WRONG["page"].format(value=where.wrong[:50])
        else:
            wrong = None
        found = NOBODY
        if wrong is None:
            found = employees.listed(database, filter, sort or "id", where.at, is_back=where.is_back, limit=PAGE)
        is_compared = not comparison.is_missing(comparison.current(database))
        return render_template(
            "employees.html",
            found=found,
            filter=filter,
            sort=sort,
            columns=COLUMNS,
            wrong=wrong,
            pages=pages_of(
                where,
                len(found["employees"]),
                first=found["first"],
                has_previous=found.get("previous", False),
                has_next=found.get("next", False),
            ),
            problems=employees.problems(database),
            standings=[standing(each, is_compared=is_compared) for each in found["employees"]],
            is_compared=is_compared,
        )
