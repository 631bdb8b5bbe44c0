"""The states of a ledger row: one check says what nine constraints said before it."""

from pathlib import Path

from tests.employees import Connection

SAME = Path(__file__).parent.with_name("ledger_states.sql").read_text("utf-8")


def test_one_check_says_what_the_nine_said(connection: Connection) -> None:
    """Of every combination of values, those that are known and one that is not: neither stricter nor looser."""
    assert connection.execute(SAME.encode()).fetchone() == {"good": 445, "different": 0}
