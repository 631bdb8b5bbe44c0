"""The files /admin/export/*.csv for spreadsheets: employees, events and the audit, with the filters of their pages."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from flask import Blueprint, Response, g, request

from webhook_service.errors import InvalidQuery
from webhook_service.events import Json
from webhook_service.ledger import audit, employees, queries
from webhook_service.web import Wiring
from webhook_service.web.pages.common import audit_filter, parse_filter, people_filter

PAGE_SIZE = 500
MAX_ROWS = 100_000
"""The largest number of rows of a file. The server keeps a file in memory while a slow client reads it."""

MAX_FOUND = 10_000
"""The largest number of employees that a search for a person finds by each of e-mail, number and name."""

BYTE_ORDER_MARK = "\ufeff"
"""Without this mark, Excel does not read the file as UTF-8."""

EMPLOYEES = (
    *("employee_id", "email", "first_name", "last_name", "employee_number", "is_active"),
    *("auth_user_id", "sync_status"),
)
EVENTS = (
    *("created_at", "event_id", "direction", "operation", "status", "outcome", "employee_id", "auth_user_id"),
    *("via", "attempts", "completed_at", "error_message"),
)
AUDIT = ("at", "who", "action", "target", "email", "result", "reason")

Fetch = Callable[[int | None], tuple[list[Json], int | None]]
"""Returns a page of rows and the position of the next page, from a position. The first and last positions are None."""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("exports", __name__, url_prefix="/admin/export")
    database = wiring.database

    @views.get("/employees.csv")
    def employees_file() -> Response:
        filter, is_unknown = people_filter(request.args)
        if is_unknown:
            raise InvalidQuery({"sync_status": ["Unknown."]})

        def fetch(at: int | None) -> tuple[list[Json], int | None]:
            found = employees.people(database, filter, after=at, limit=PAGE_SIZE, most=MAX_FOUND)
            return found["employees"], found["next"]

        return file(wiring, "employees", EMPLOYEES, fetch, filter)

    @views.get("/events.csv")
    def events_file() -> Response:
        filter, wrong = parse_filter(request.args)
        if wrong:
            raise InvalidQuery(wrong)

        def fetch(at: int | None) -> tuple[list[Json], int | None]:
            found = queries.events(database, filter, below=at, limit=PAGE_SIZE)
            return found["events"], found["next"]

        return file(wiring, "events", EVENTS, fetch, filter)

    @views.get("/audit.csv")
    def audit_file() -> Response:
        filter = audit_filter(request.args)

        def fetch(at: int | None) -> tuple[list[Json], int | None]:
            found = audit.search(database, filter, below=at, limit=PAGE_SIZE)
            return [entry | {"email": entry["details"].get("email")} for entry in found["entries"]], found["next"]

        return file(wiring, "audit", AUDIT, fetch, filter)

    return views


def file(wiring: Wiring, name: str, columns: tuple[str, ...], fetch: Fetch, filter: Mapping[str, Json]) -> Response:
    """Return the response with a file, which is read page by page. The audit records the export."""
    parts = recorded_parts(wiring, g.admin.name, name, columns, fetch, filter)
    first = next(parts)  # an error before this part is an error page; a later one breaks the download off
    disposition = f'attachment; filename="{name}.csv"'
    return Response(
        chain([first], parts), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )


def recorded_parts(
    wiring: Wiring, who: str, name: str, columns: tuple[str, ...], fetch: Fetch, filter: Mapping[str, Json]
) -> Iterator[str]:
    """Yield the file in parts. The last line says if there are more rows than MAX_ROWS."""
    with audit.attempt(wiring.database, who, f"export {name}", None, filter=dict(filter)) as act:
        count, (rows, at) = 0, fetch(None)
        yield BYTE_ORDER_MARK + text([columns]) + text_of(rows, columns)
        count += len(rows)
        while at is not None and count < MAX_ROWS:
            rows, at = fetch(at)
            count += len(rows)
            yield text_of(rows, columns)
        if at is not None:
            yield text([(f"Only the first {count:,} rows are here. Use a filter to export the others.",)])
        act.outcome = f"{count:,} rows"


def text_of(rows: list[Json], columns: tuple[str, ...]) -> str:
    return text([tuple(cell(row.get(column)) for column in columns) for row in rows])


def text(rows: list[tuple[str, ...]]) -> str:
    """Format rows as CSV (RFC 4180)."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def cell(value: Json) -> str:
    """Return the text of a value. A text that a spreadsheet would execute as a formula gets an apostrophe before it.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    written = str(value)
    return f"'{written}" if written[:1] in "=+-@\t\r\n" and written else written
