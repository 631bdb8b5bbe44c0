"""The suggestions for the search of a person."""

import pytest

from tests.employees import Connection, hire
from tests.integration.signing_in import Browser

pytestmark = pytest.mark.every_employees_table

PATH = "/admin/suggestions/people"


def test_employees_are_suggested(browser: Browser, connection: Connection) -> None:
    """At most eight employees are suggested, each with the e-mail that finds the employee."""
    for number in range(10):
        hire(connection, f"sam{number}@example.com", first_name="<Sam>")
    found = browser.get(f"{PATH}?person=sam").text
    assert found.count("<option") == 8
    assert '<option value="sam0@example.com">&lt;Sam&gt;' in found


@pytest.mark.parametrize("person", ["", "s", "%20s%20", "nobody", "%00", "%25%25"])
def test_a_short_or_unknown_text_suggests_nobody(browser: Browser, connection: Connection, person: str) -> None:
    """A text of one character and a text that matches nobody suggest nobody."""
    hire(connection, "sam@example.com")
    response = browser.get(f"{PATH}?person={person}")
    assert (response.status_code, response.text) == (200, "")
