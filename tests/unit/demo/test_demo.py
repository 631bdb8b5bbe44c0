"""The demo's check of the employees."""

from io import StringIO

import pytest
from rich.console import Console

from webhook_service.demo.tables import check_employees
from webhook_service.demo.traffic import EMPLOYEES, EXPECTED_EMPLOYEES, NORA

RIGHT = [(number, *EXPECTED_EMPLOYEES[number], active) for _, _, _, number, active in (*EMPLOYEES, NORA)]


def test_the_expected_employees_pass() -> None:
    """The employees that the demo expects at its end pass the check."""
    assert check_employees(Console(file=StringIO()), RIGHT)


@pytest.mark.parametrize("column", range(1, 6))
def test_one_wrong_value_fails(column: int) -> None:
    """A wrong value in any column fails the check, which names the employee."""
    spoilt = list(RIGHT[0])
    spoilt[column] = "spoilt"
    output = StringIO()
    assert not check_employees(Console(file=output), [tuple(spoilt), *RIGHT[1:]])
    assert str(RIGHT[0][0]) in output.getvalue()
