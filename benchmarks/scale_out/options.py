"""The options of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]
"""Show a result."""


@dataclass(frozen=True, slots=True)
class Options:
    events: int
    """The number of events in each run of `rates`."""
    rate: int
    """The number of changes a second in `kill` and `upgrade`."""
    seconds: float
    """The time of the load before a loss or restart, and after it."""
    users: int
    changes: int
    """The size of `outage`: the users, and the changes that are captured while nothing runs."""
    former: Path | None
    """A checkout of the version from which `upgrade` starts. None is this version."""
