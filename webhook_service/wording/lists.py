"""The words about lists: their filters, totals and orders."""

from webhook_service.wording.counts import counted

FILTERS = {
    "status": "State: {value}",
    "operation": "What: {value}",
    "outcome": "Outcome: {value}",
    "direction": "Direction: {value}",
    "person": "Person: {value}",
    "since": "From: {value} UTC",
    "until": "Until: {value} UTC",
    "auth_user_id": "Login: {value}",
    "employee_id": "Employee: {value}",
    "sync_status": "Login: {value}",
    "needs_attention.true": "Needs attention",
    "needs_attention.false": "Needs no attention",
    "open.true": "Waiting or retried",
    "open.false": "Neither waiting nor retried",
}
"""One field of a filter, or one value of a field that is true or false."""

TOTALS = {
    "employees": (
        "{first}–{last} of {count} employee",
        "{first}–{last} of {count} employees",
        "{first}–{last} of about {count} employees",
        "{first}–{last} of more than 1,000 employees",
    ),
    "events": (
        "{first}–{last} of {count} event",
        "{first}–{last} of {count} events",
        "{first}–{last} of about {count} events",
        "{first}–{last} of more than 1,000 events",
    ),
}
"""The shown rows and the number of all rows: one row, several rows, an estimate, and a number that is not known."""

ORDERS = {
    "id": "Sorted: oldest first.",
    "-id": "Sorted: newest first.",
    "name": "Sorted by name.",
    "-name": "Sorted by name, in reverse.",
    "email": "Sorted by e-mail.",
    "-email": "Sorted by e-mail, in reverse.",
    "number": "Sorted by number.",
    "-number": "Sorted by number, in reverse.",
}
"""The orders of the list of employees."""


def total(rows: str, first: int, last: int, matched: int | None, *, is_estimated: bool) -> str:
    """Return the shown rows and the number of all rows. `matched` is None if there are more than 1,000 rows."""
    one, many, estimate, unknown = TOTALS[rows]
    shown = {"first": f"{first:,}", "last": f"{last:,}"}
    if matched is None:
        return unknown.format(**shown)
    if is_estimated:
        return estimate.format(count=f"{matched:,}", **shown)
    return counted(matched, one, many, first=shown["first"], last=shown["last"])
