"""Times and ages on the command line."""

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SHORTEST_AGE = timedelta(days=1)


def duration(text: str) -> timedelta | None:
    """Return a duration such as 90m, 12h, 3d or 2w, or None if the text has another form."""
    found = re.fullmatch(r"([0-9]{1,5})([smhdw])", text)
    return timedelta(**{UNITS[found[2]]: int(found[1])}) if found is not None else None


class Age(click.ParamType[timedelta]):
    """An age such as 90d, 12w or 36h, and at least one day."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        age = duration(str(value))
        if age is None:
            self.fail("must be a number and h, d or w, such as 90d", param, ctx)
        if age < SHORTEST_AGE:
            self.fail("must be at least 1d, because an event may be delivered again within a day", param, ctx)
        return age


class Moment(click.ParamType[str]):
    """A date such as 2026-11-22, a time such as 2026-11-22T10:00Z, or a duration such as 90m, 12h, 3d or 2w before now.

    Without a time zone, a date or a time is in UTC. The value becomes text in ISO 8601 with its time zone.
    """

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            ago = duration(value.strip())
            moment = datetime.now(UTC) - ago if ago is not None else datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(
                f"{value!r} is not a date (2026-11-22), a time (2026-11-22T10:00Z) or a duration (90m, 12h, 3d, 2w)",
                param,
                ctx,
            )
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
