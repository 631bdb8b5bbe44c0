"""Counts and durations in texts."""


def counted(count: int, one: str, many: str, *, most: int | None = None, **values: object) -> str:
    """Return `one` or `many`, two whole texts, with the values of {count} and of the other names.

    1000, "{count} event", "{count} events" -> "1,000 events". A count of `most` or more is `most` with a plus.
    """
    number = f"{most:,}+" if most is not None and count >= most else f"{count:,}"
    return (one if count == 1 else many).format(count=number, **values)


def differences(count: int) -> str:
    """Return the number of differences that a comparison has found, for example `3 differences`."""
    return counted(count, "{count} difference", "{count} differences")


def describe(seconds: float) -> str:
    """Format a duration in whole units: 83 -> "1 min"."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


MAX_RELAY_SILENCE_SECONDS = 120
"""The longest time without a pass of a relay that is not a finding."""


def relay_silence(seconds: float | None, *, never: str, silent: str) -> str | None:
    """Return `never` or `silent`, the latter with {age}, or None if a relay has run recently.

    `seconds` is the time since the last pass of a relay, or None if there was none.
    """
    if seconds is None:
        return never
    return silent.format(age=describe(seconds)) if seconds > MAX_RELAY_SILENCE_SECONDS else None
