"""Names the database rule that refused the values of an event, from PostgreSQL's message."""

import re

from webhook_service.wording.employees import REJECTED, REJECTED_BY_RULE, REJECTED_WITHOUT_VALUE

CONSTRAINT = re.compile(r"constraint [\"«“„]([^\"»”“]{1,63})[\"»”“]")
NOT_NULL = re.compile(r"column \"([^\"]{1,63})\" of relation .* violates not-null")


def rejection(message: str | None) -> str:
    """Say which rule of the employees table refused a change. `message` is the error message of the event, or None."""
    if message and (named := CONSTRAINT.search(message)):
        return REJECTED_BY_RULE.format(rule=named[1])
    if message and (missing := NOT_NULL.search(message)):
        return REJECTED_WITHOUT_VALUE.format(column=missing[1])
    return REJECTED
