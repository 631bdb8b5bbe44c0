"""JSON as the hot path writes it is JSON as Python writes it."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook_service.events import Outcome, Situation
from webhook_service.quick_json import write_json

TEXT = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(VALUES)
def test_what_is_written_reads_as_what_it_was(value: Any) -> None:
    """Integers of any length, any character, any depth."""
    assert json.loads(write_json(value)) == value


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, "\ud800", {"\udc00": 1}, json.loads("[" * 300 + "]" * 300)], ids=ascii
)
def test_what_only_python_writes_is_written_by_it(value: Any) -> None:
    """Nothing that could be told before is an error now."""
    assert write_json(value) == json.dumps(value).encode()


def test_words_of_ours_are_texts() -> None:
    """As keys, too."""
    assert json.loads(write_json({Situation.NONE: Outcome.LINKED})) == {"none": "linked"}


def test_a_default_stands_in_for_what_json_has_no_form_of() -> None:
    """Without one, that is an error."""
    value = {"error": ValueError("no"), "long": 2**64}
    assert json.loads(write_json(value, str)) == {"error": "no", "long": 2**64}
    with pytest.raises(TypeError):
        write_json(value)


def test_an_id_is_a_text() -> None:
    """A UUID as PostgreSQL writes it."""
    assert write_json(UUID(int=7), str) == b'"00000000-0000-0000-0000-000000000007"'
