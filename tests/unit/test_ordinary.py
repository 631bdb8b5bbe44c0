"""The ordinary event is read without its schema, which stays the contract: both must say the same of every payload."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError

from tests.auth_traffic import CONFIRMED, JANE, delete, insert, update
from webhook_service.event_schema import EVENT_SCHEMA
from webhook_service.events import Json
from webhook_service.ordinary import TIMESTAMPS, ordinary_event

SAMPLES = Path(__file__).parents[1] / "samples"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=10), parts, max_size=3),
    max_leaves=5,
)
MOMENTS = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.none()).map(lambda moment: moment.isoformat()),
    st.from_regex(r"\A[0-9]{4,6}-[01][0-9]-[0-3][0-9][T ][0-9:.]{5,15}([+-][0-9:]{2,8}|Z)?( BC)?\Z"),
    st.sampled_from(["infinity", "-infinity", "2026-W47-1T00:00:00Z", "20261122T120000Z", "2026-11-22", CONFIRMED]),
)
ODD = st.one_of(
    JSON,
    MOMENTS,
    st.sampled_from(["INSERT", "DELETE", "insert", "auth", "users", "true", "off", 0, 1, -1, 2**63, 2**63 - 1, 1.0]),
    st.sampled_from([str(JANE), str(JANE).upper(), JANE.hex, f"{JANE}\n", f" {JANE}", "a@example.com", "e" * 1001]),
)
ROWS = st.fixed_dictionaries(
    {"id": st.uuids().map(str)},
    optional={name: st.none() | MOMENTS for name in TIMESTAMPS}
    | {"email": st.none() | st.text(max_size=30), "is_anonymous": st.none() | st.booleans()}
    | {"raw_user_meta_data": JSON, "raw_app_meta_data": JSON, "phone": JSON},
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["INSERT", "UPDATE", "DELETE"]), "schema": st.just("auth"), "table": st.just("users")},
    optional={"version": st.none() | st.integers(0, 2**63), "record": st.none() | ROWS, "old_record": st.none() | ROWS},
)
PARTS = ("type", "schema", "table", "version", "record", "old_record")
COLUMNS = ("id", "email", "is_anonymous", "raw_app_meta_data", "raw_user_meta_data", *TIMESTAMPS)


def by_schema(payload: Json) -> dict[str, Any] | None:
    try:
        loaded: dict[str, Any] = EVENT_SCHEMA.load(payload)
    except ValidationError:
        return None
    return loaded


def same_as_by_schema(payload: Json) -> bool:
    """What is read is what the schema loads; what the schema refuses is not read."""
    read = ordinary_event(payload)
    return read is None or read == by_schema(payload)


@given(EVENTS | JSON)
@example([])
@example(insert() | {"type": ["INSERT"]})
def test_what_is_read_is_what_the_schema_loads(payload: Json) -> None:
    """Of payloads that may be events, and of any JSON."""
    assert same_as_by_schema(payload)


@given(
    st.sampled_from([insert(), update(), delete()]),
    st.sampled_from(PARTS) | st.tuples(st.sampled_from(["record", "old_record"]), st.sampled_from(COLUMNS)),
    ODD,
    st.booleans(),
)
def test_a_change_anywhere_is_seen_as_the_schema_sees_it(
    payload: dict[str, Json], where: str | tuple[str, str], odd: Json, is_left_out: bool
) -> None:
    """A right payload, in which one thing is another or missing."""
    changed: dict[str, Json] = json.loads(json.dumps(payload))
    place, name = (changed, where) if isinstance(where, str) else (changed[where[0]] or {}, where[1])
    place[name] = odd
    if is_left_out:
        del place[name]
    assert same_as_by_schema(changed)


@pytest.mark.parametrize("name", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_what_supabase_sends_is_ordinary(name: str) -> None:
    """The schema is not asked about what comes all the time."""
    content = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    for payload in content if isinstance(content, list) else [content]:
        assert ordinary_event(payload) == by_schema(payload) is not None
