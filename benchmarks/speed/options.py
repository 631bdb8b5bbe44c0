"""The options of a run."""

from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[str], None]
"""Show progress."""


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    events: int
    """The number of events in each run."""
    employees: int
    only: str
    """The part of a run's name. `rates` measures only the limit and the runs whose name contains it."""
    minutes: float
    """The length of the memory measurement."""
    large_employees: int
    large_events: int
    """The size of the large company that `flat` compares with a small one."""
