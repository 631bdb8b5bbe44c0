"""The states of a ledger row. One CHECK replaces nine earlier constraints."""

from pathlib import Path

from tests.employees import Connection

SAME = Path(__file__).parent.with_name("ledger_states.sql").read_text("utf-8")


def test_one_check_equals_the_nine_constraints(connection: Connection) -> None:
    """The CHECK and the nine constraints accept the same combinations of all known values and one unknown value."""
    assert connection.execute(SAME.encode()).fetchone() == {"good": 445, "different": 0}
