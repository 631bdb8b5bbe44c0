"""The words about an import: its counts, and the reasons of refused lines."""

from webhook_service.events import Json
from webhook_service.wording.employees import REJECTED, REJECTED_BY_RULE

COUNTS = {
    "new": "new",
    "changed": "changed",
    "leaves": "deactivated",
    "unchanged": "unchanged",
    "refused": "refused",
}
HEADINGS = {
    "new": "New",
    "changed": "Changed",
    "leaves": "Deactivated",
    "unchanged": "Unchanged",
    "refused": "Refused",
}
COUNTED = "{new:,} new, {changed:,} changed, {unchanged:,} unchanged, {refused:,} refused"
COUNTED_WITH_MISSING = (
    "{new:,} new, {changed:,} changed, {leaves:,} deactivated, {unchanged:,} unchanged, {refused:,} refused"
)
SQLSTATES = {
    "23502": "A value is required.",
    "23503": "There is no such value in the table that the column refers to.",
    "23505": "Another employee has this value.",
    "23514": REJECTED,
    "23P01": REJECTED,
    "22001": "The text is too long.",
    "22003": "The number is too large.",
    "22007": "This is not a date or a time.",
    "22008": "This is not a date or a time.",
    "22P02": "The value does not fit the type of the column.",
    "P0001": "A trigger of the employees table rejected this change.",
    "09000": "A trigger of the employees table prevented the change, or the employee was deleted meanwhile.",
}
"""The words for the SQLSTATEs with which the employees table refuses a row."""
RULES = ("23514", "23P01")
"""The SQLSTATEs of constraints whose name says most."""

OF_LINE, OF_EMPLOYEE = "line {line}", "employee {employee_id}"
OF_COLUMN = "{column}: {reason}"


def counted(plan: Json) -> str:
    """Return the counts of a plan, for example `3 new, 2 changed, 5 unchanged, 0 refused`."""
    return (COUNTED_WITH_MISSING if plan["deactivate_missing"] else COUNTED).format(**plan["counts"])


def place(item: Json) -> str:
    """Return where a refused item is: its line, or the employee who is missing in the file."""
    return (OF_LINE if item["line"] is not None else OF_EMPLOYEE).format(**item)


def why(refused: Json) -> str:
    """Return the reason of a refusal in words, with its column. The text has no value of the file."""
    column = refused.get("column")
    return OF_COLUMN.format(column=column, reason=sentence(refused)) if column else sentence(refused)


def sentence(refused: Json) -> str:
    """Return the reason of a refusal in words, without its column."""
    other, line = refused.get("other"), refused.get("line")
    match refused["reason"]:
        case "cells":
            return f"The line has {refused['cells']} cells, and the header has {refused['columns']}."
        case "not_a_status":
            return "Must be true, false, yes, no, 1, 0, active or inactive."
        case "no_key":
            return "The line has no employee_id, no employee_number and no e-mail."
        case "unknown_employee":
            return f"There is no employee {other}."
        case "number_twice":
            return f"Line {line} has the same employee number."
        case "email_twice":
            return f"Line {line} has the same e-mail."
        case "employee_twice":
            return f"Line {line} is about the same employee."
        case "ambiguous_number":
            return f"Several employees have this number: {listed(refused)}."
        case "ambiguous_email":
            return f"Several employees have this e-mail: {listed(refused)}. Give the employee_number or employee_id."
        case "number_of_other":
            return f"Employee {other} has this number, but the line is about another employee."
        case "email_of_other":
            return f"Employee {other} has this e-mail, but the line is about another employee."
        case "other_number":
            return (
                f"Employee {other} has this e-mail, but another number. Correct one of them, or give the employee_id."
            )
        case "managed":
            return f"The directory {refused['directory']} manages this employee. Change the employee there."
        case "unusable_email":
            return "This is not an e-mail address."
    state, rule = refused.get("sqlstate") or "", refused.get("constraint")
    if rule is not None and state in RULES:
        return REJECTED_BY_RULE.format(rule=rule)
    return SQLSTATES.get(state, REJECTED)


def listed(refused: Json) -> str:
    return ", ".join(str(other) for other in refused["others"])
