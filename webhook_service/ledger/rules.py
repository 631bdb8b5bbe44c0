"""Names the database rule that refused the values of an event, from PostgreSQL's message."""

import re

CONSTRAINT = re.compile(r"constraint [\"«“„]([^\"»”“]{1,63})[\"»”“]")
NOT_NULL = re.compile(r"column \"([^\"]{1,63})\" of relation .* violates not-null")

NAMED = 'The database rule "{rule}" rejected this change.'
MISSING = 'The database requires a value in the column "{column}", so it rejected this change.'
UNNAMED = "A rule or a trigger of the employees table rejected this change."


def rejection(message: str | None) -> str:
    """Say which rule of the employees table refused a change. `message` is the error message of the event, or None."""
    if message and (named := CONSTRAINT.search(message)):
        return NAMED.format(rule=named[1])
    if message and (missing := NOT_NULL.search(message)):
        return MISSING.format(column=missing[1])
    return UNNAMED
