"""JSON that is refused because it is not an event of auth.users, with the error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_traffic import CANARY, JANE, delete, insert, update
from tests.webhook_events import parse_bytes
from webhook_service.demo.traffic import body_of
from webhook_service.errors import BadPayload, InvalidPayload
from webhook_service.events import Json


def detail_of(payload: Json) -> str:
    with pytest.raises(InvalidPayload) as caught:
        parse_bytes(body_of(payload))
    return caught.value.detail


@pytest.mark.parametrize("top", [[], [insert()], "INSERT", 7, 1.5, True, None, {}], ids=lambda top: repr(top)[:15])
def test_only_an_object_is_an_event(top: Json) -> None:
    """Any JSON except an object is refused, and so is an empty object."""
    assert detail_of(top)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"schema": "public"}, "schema"),
        ({"schema": "AUTH"}, "schema"),
        ({"schema": None}, "schema"),
        ({"table": "sessions"}, "table"),
        ({"table": ["users"]}, "table"),
        ({"type": "TRUNCATE"}, "type"),
        ({"type": "insert"}, "type"),
        ({"type": "__class__"}, "type"),
        ({"type": ["INSERT"]}, "type"),
        ({"type": None}, "type"),
        ({"version": -1}, "version"),
        ({"version": 2**63}, "version"),
        ({"version": 1.0}, "version"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"version": {}}, "version"),
        ({"record": None}, "record"),
        ({"record": []}, "record"),
        ({"record": "row"}, "record"),
        ({"record": {}}, "record.id"),
    ],
    ids=repr,
)
def test_only_row_events_of_auth_users_are_accepted(changed: dict[str, Json], field: str) -> None:
    """JSON that is not a row event of auth.users is refused with an error that names the wrong field."""
    assert f"{field}: " in detail_of(update() | changed) or f"{field}." in detail_of(update() | changed)


@pytest.mark.parametrize("missing", ["type", "schema", "table", "record"])
def test_an_event_without_one_of_its_keys_is_refused(missing: str) -> None:
    """An event without a required key is refused with an error that names the key."""
    assert f"{missing}: " in detail_of({key: value for key, value in update().items() if key != missing})


@pytest.mark.parametrize(
    ("payload", "half"),
    [(insert() | {"record": None}, "record"), (delete() | {"old_record": None}, "old_record"),
     (delete() | {"record": insert()["record"], "old_record": None}, "old_record")],
    ids=["INSERT", "DELETE", "DELETE with the other half"],
)  # fmt: skip
def test_each_operation_needs_its_row(payload: Json, half: str) -> None:
    """INSERT and UPDATE need the new row, and DELETE needs the old row."""
    assert detail_of(payload).startswith(f"{half}: ")


WRONG_COLUMNS: list[tuple[str, list[Any]]] = [
    ("id", [None, "", "1", 7, True, [], {}, ["a"], str(JANE)[:-1], f"{JANE}0", "g" * 32, 1e10]),
    ("id", ["0x" + "1" * 30, "+" + "1" * 31, " " + "1" * 31, "1_" * 15 + "11", "\u0661" * 32, f"{JANE}\n"]),
    ("email", [7, True, [], {}, "x" * 1001]),
    ("is_anonymous", [[], {}, "perhaps", 7, 0.5]),
    ("email_confirmed_at", [7, True, False, [], {}, "", "yes"]),
    ("banned_until", ["2026-11-22T14:10:38", "2026-11-22", "2026-13-01T00:00:00+00:00", "tomorrow", 1764000000]),
    ("deleted_at", ["12345garbage", "20261122T141038+0000 ", "garbage BC", " BC", "INFINITY", "+infinity", "\u0662"]),
    ("updated_at", ["2026-11-22T14:10:38+24:00", "2026-11-22T14:10:38+20:00"]),
]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param(column, value, id=f"{column} {value!r:.40}".encode("ascii", "backslashreplace").decode())
        for column, values in WRONG_COLUMNS
        for value in values
    ],
)
def test_a_column_of_the_wrong_type_is_refused(column: str, value: Json) -> None:
    """A value that PostgreSQL cannot have written is refused, and the error names the column."""
    assert f"record.{column}" in detail_of(update(**{column: value}))


@pytest.mark.parametrize(
    "payload",
    [
        update(id=CANARY),
        update(email_confirmed_at=CANARY),
        update(is_anonymous=CANARY),
        update(email=[CANARY]),
        update(email=CANARY * 100),
        update() | {"type": CANARY},
        update() | {"schema": CANARY},
        update() | {"version": CANARY},
        update() | {"record": CANARY},
        update() | {"record": {CANARY: CANARY}},
        CANARY,
        [CANARY],
    ],
)
def test_an_error_never_quotes_a_value(payload: Json) -> None:
    """An error names fields without their values, which may be personal data."""
    with pytest.raises(InvalidPayload) as caught:
        parse_bytes(body_of(payload))
    assert CANARY not in f"{caught.value} {caught.value.detail}"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.sampled_from(sorted(update()["record"])), ANYTHING)
def test_any_value_of_any_column_is_parsed_or_refused(column: str, value: Json) -> None:
    """The parser raises only BadPayload, for any value of any column."""
    try:
        event = parse_bytes(json.dumps(update(**{column: value})).encode())
    except BadPayload:
        return
    assert event.event_id == "evt-1"
