"""What the demo calls a failure."""

from io import StringIO

import pytest
from rich.console import Console

from webhook_service.demo.tables import check_employees
from webhook_service.demo.traffic import EMPLOYEES, EXPECTED_EMPLOYEES, NORA

RIGHT = [(number, *EXPECTED_EMPLOYEES[number], active) for _, _, _, number, active in (*EMPLOYEES, NORA)]


def test_employees_as_they_should_be_pass() -> None:
    """The demo's own end."""
    assert check_employees(Console(file=StringIO()), RIGHT)


@pytest.mark.parametrize("column", range(1, 6))
def test_one_wrong_value_fails(column: int) -> None:
    """Each column counts, and the employee is named."""
    spoilt = list(RIGHT[0])
    spoilt[column] = "spoilt"
    output = StringIO()
    assert not check_employees(Console(file=output), [tuple(spoilt), *RIGHT[1:]])
    assert str(RIGHT[0][0]) in output.getvalue()
