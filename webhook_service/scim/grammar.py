"""Parses the filters and the paths of SCIM (RFC 7644, 3.4.2.2 and 3.5.2) by scim2-models, within this server's limits.

The nodes are those of `scim2_models.path`: data, never SQL. scim2-models limits how deeply they are nested.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scim2_models import InvalidFilterException, InvalidPathException, ScimFilter
from scim2_models import Path as ScimPath
from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not, Present, ValuePath

from webhook_service.scim.attributes import Name, name_of
from webhook_service.scim.checks import UNSTORABLE
from webhook_service.scim.refusals import InvalidFilter, InvalidPath

LONGEST_TEXT = 4000
MOST_TESTS = 40
"""The limits of a filter: its characters and its tests."""


@dataclass(frozen=True, slots=True)
class Path:
    """The target of a PATCH operation: an attribute, or those of its values that a filter selects."""

    name: Name
    node: FilterNode | None = None


def parse_filter(text: str) -> FilterNode:
    """Parse a filter. Raises InvalidFilter."""
    check_length(text, InvalidFilter)
    try:
        node = ScimFilter(text).ast
    except InvalidFilterException as error:
        raise InvalidFilter(f"The filter is malformed: {error.detail}.") from None
    check_tests(node, InvalidFilter)
    return node


def parse_path(text: str) -> Path:
    """Parse a path. Raises InvalidPath."""
    check_length(text, InvalidPath)
    try:
        path = ScimPath(text)
    except InvalidPathException as error:
        raise InvalidPath(f"The path is malformed: {error.detail}.") from None
    if not path:
        raise InvalidPath("The path is empty.")
    if (node := path.value_filter) is not None:
        check_tests(node, InvalidPath)
    return Path(name_of(f"{path.schema}:{path.attr}" if path.schema else path.attr), node)


def parse_name(text: str) -> Name:
    """Parse the name of an attribute. Raises InvalidPath."""
    path = parse_path(text)
    if path.node is not None:
        raise InvalidPath("The name of an attribute has no filter.")
    return path.name


def check_length(text: str, refusal: type[InvalidFilter] | type[InvalidPath]) -> None:
    """Raise the refusal for a text that is too long."""
    if len(text) > LONGEST_TEXT:
        raise refusal(f"The filter or path is longer than {LONGEST_TEXT} characters.")


def check_tests(node: FilterNode, refusal: type[InvalidFilter] | type[InvalidPath]) -> None:
    """Raise the refusal for too many tests, and for a text that no value contains."""
    tests = list(tests_of(node))
    if len(tests) > MOST_TESTS:
        raise refusal(f"The filter has more than {MOST_TESTS} comparisons.")
    for test in tests:
        if isinstance(test, Comparison) and isinstance(test.value, str) and UNSTORABLE.search(test.value):
            raise refusal("A string has a control character.")


def tests_of(node: FilterNode) -> Iterator[FilterNode]:
    """Yield the comparisons of a filter."""
    match node:
        case LogicalExpr(_, terms):
            for term in terms:
                yield from tests_of(term)
        case Not(inner) | ValuePath(_, inner):
            yield from tests_of(inner)
        case Comparison() | Present():
            yield node
