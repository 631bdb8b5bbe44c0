"""The parameters of a list."""

import pytest

from webhook_service.events import Json
from webhook_service.scim.attributes import Attributes
from webhook_service.scim.queries import MOST_RESULTS, query_of, search_of
from webhook_service.scim.refusals import Refusal

ATTRIBUTES = Attributes()


@pytest.mark.parametrize(
    ("given", "start", "count"),
    [
        ({}, 1, 100),
        ({"startIndex": "2", "count": "10"}, 2, 10),
        ({"startIndex": 0, "count": 0}, 1, 0),
        ({"STARTINDEX": "-5", "Count": "-1"}, 1, 0),
        ({"startIndex": "", "count": "9999999999"}, 1, MOST_RESULTS),
    ],
)
def test_a_page_has_limits(given: dict[str, Json], start: int, count: int) -> None:
    """A page begins with 1 at least, and has at most MOST_RESULTS users."""
    query = query_of(given, ATTRIBUTES)
    assert (query.start, query.count) == (start, count)


def test_the_parameters_of_a_search() -> None:
    """`.search` has the same parameters as a URL, with lists instead of commas."""
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "active eq true",
        "sortBy": "userName",
        "sortOrder": "Descending",
        "attributes": ["userName", "name.givenName"],
    }
    query = search_of(body, ATTRIBUTES)
    assert query == query_of(body | {"attributes": "userName, name.givenName"}, ATTRIBUTES)
    assert query.shown is not None
    assert (query.sort_by, query.descending, query.shown.attributes) == (
        "user_name",
        True,
        ["userName", "name.givenName"],
    )
    assert query.condition == {"place": "active", "operator": "eq", "value": True}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"startIndex": "one"}, "invalidValue"),
        ({"count": "1.5"}, "invalidValue"),
        ({"count": "9" * 5000}, "invalidValue"),
        ({"count": True}, "invalidValue"),
        ({"count": [1]}, "invalidValue"),
        ({"sortOrder": "up"}, "invalidValue"),
        ({"sortBy": "unknown"}, "invalidValue"),
        ({"sortBy": 5}, "invalidValue"),
        ({"filter": "x"}, "invalidFilter"),
        ({"filter": {"a": 1}}, "invalidValue"),
        ({"attributes": 5}, "invalidValue"),
        ({"attributes": "a b"}, "invalidValue"),
        ({"excludedAttributes": [5]}, "invalidValue"),
        ({"count": 1, "Count": 2}, "invalidSyntax"),
        ([], "invalidSyntax"),
    ],
)
def test_a_bad_parameter_is_refused(given: Json, kind: str) -> None:
    """A parameter of the wrong type or form is refused with its scimType."""
    with pytest.raises(Refusal) as caught:
        search_of(given, ATTRIBUTES)
    assert (caught.value.status, caught.value.scim_type) == (400, kind)
