"""What a run is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

Report = Callable[[str], None]
"""Shows progress."""


@dataclass(frozen=True, slots=True)
class Options:
    rounds: int
    events: int
    """in each run"""
    employees: int
    only: str
    """of `rates`: the limit, and the ways that hold this in their names"""
    minutes: float
    """of the run that watches memory"""
    large_employees: int
    large_events: int
    """of the large company that `flat` compares with a small one"""
