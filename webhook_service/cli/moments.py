"""Times on the command line: a date, a time, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

import click

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(click.ParamType[str]):
    """A date such as 2026-11-22, a time such as 2026-11-22T10:00Z, or a duration such as 90m, 12h, 3d or 2w before now.

    Without a time zone, a date or a time is in UTC. The value becomes text in ISO 8601 with its time zone.
    """

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        ago = re.fullmatch(r"([0-9]{1,6})([smhdw])", value.strip())
        try:
            if ago is not None:
                moment = datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
            else:
                moment = datetime.fromisoformat(value.strip())
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a date (2026-11-22), a time (2026-11-22T10:00Z) or a duration (90m, 12h, 3d, 2w)"
            )
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()
