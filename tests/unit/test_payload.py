"""What is taken from the body of a webhook, what becomes of it in the ledger, and which bodies are refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_traffic import CONFIRMED, EPOCH, JANE, body_of, delete, insert, update
from webhook_service.errors import BadPayload, InvalidPayload
from webhook_service.events import AuthEvent, AuthUser, Delivery, Json, Operation
from webhook_service.payload import from_ledger, parse, to_request_data

SAMPLES = Path(__file__).parents[1] / "samples"
NAME_FIELDS = {"first_name": "first_name", "last_name": "last_name"}
BOB = UUID("3f1b7a90-0c2d-4e7f-8a55-6b1d2c3e4f50")
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
CANARY = "canary@example.com"


def parse_bytes(body: bytes, name_fields: dict[str, str] = NAME_FIELDS) -> AuthEvent:
    return parse(Delivery("evt-1", EPOCH, body), name_fields)


def parsed(payload: Json, name_fields: dict[str, str] = NAME_FIELDS) -> AuthEvent:
    return parse_bytes(body_of(payload), name_fields)


def user_of(**columns: Json) -> AuthUser:
    return parsed(update(**columns)).user


def microseconds(moment: str) -> int:
    return int((datetime.fromisoformat(moment) - datetime.fromtimestamp(0, UTC)).total_seconds() * 10**6 + 0.5)


# Recorded samples

JANE_SMITH = AuthUser(JANE, "jane.smith@example.com", email_confirmed=True)
JANE_DOE = AuthUser(JANE, "jane.doe@example.com", email_confirmed=True)
BOB_CONFIRMED = AuthUser(BOB, "bob@example.com", email_confirmed=True)
BANNED = replace(JANE_SMITH, banned_until=datetime(2126, 10, 29, 14, 18, 43, 649126, UTC))
RECORDED = {
    "a_insert_unconfirmed_email_signup": [("INSERT", replace(JANE_DOE, email_confirmed=False), "30.965485")],
    "b_update_confirm_email": [("UPDATE", JANE_DOE, "32.789781")],
    "c3_update_email_changed": [("UPDATE", JANE_SMITH, "41.833771")],
    "d_update_ban": [("UPDATE", BANNED, "43.649143")],
    "d2_update_unban": [("UPDATE", JANE_SMITH, "45.455928")],
    "f_delete_hard": [("DELETE", AuthUser(BOB, deleted_at=EPOCH), "52.706656")],
    "j_update_sign_in": [("UPDATE", JANE_DOE, "34.608906")],
    "k_all_events_of_admin_create_confirmed": [
        ("INSERT", replace(BOB_CONFIRMED, email_confirmed=False), "52.69804"),
        ("UPDATE", replace(BOB_CONFIRMED, email_confirmed=False), "52.699655"),
        ("UPDATE", BOB_CONFIRMED, "52.703104"),
        ("UPDATE", BOB_CONFIRMED, "52.706656"),
    ],
}


def recorded(name: str) -> list[dict[str, Json]]:
    content = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return content if isinstance(content, list) else [content]


@pytest.mark.parametrize("name", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_what_supabase_really_sent_is_understood(name: str) -> None:
    """Each recorded payload becomes the event that it was."""
    rank = {"INSERT": 0, "UPDATE": 1, "DELETE": 2}
    assert [parsed(payload) for payload in recorded(name)] == [
        AuthEvent("evt-1", Operation(type_), microseconds(f"2026-11-22T14:18:{at}+00:00") * 4 + rank[type_], user)
        for type_, user, at in RECORDED[name]
    ]


@pytest.mark.parametrize("name", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_the_secrets_of_a_row_are_dropped(name: str) -> None:
    """Hashes, tokens and what is not mapped are nowhere in what would be stored."""
    for payload in recorded(name):
        event = parsed(payload)
        stored = json.dumps(to_request_data(event.user)) + repr(event)
        assert not [canary for canary in ("$2a$10$", "full_name", "Jane Doe", "provider") if canary in stored]


# The shape


def test_unknown_keys_are_tolerated() -> None:
    """A newer Supabase may add keys and columns."""
    odd: Any = {"new": {"deep": [1]}, "": None, "__class__": 1, "self": 2}
    assert parsed(update() | odd | {"record": update()["record"] | odd}) == parsed(update())


def test_the_columns_that_we_do_not_need_may_be_missing() -> None:
    """A trigger may send only the mapped columns, or the id alone."""
    assert parsed(update() | {"record": {"id": str(JANE)}, "old_record": None}).user == AuthUser(JANE)


def test_a_version_of_the_sender_is_taken() -> None:
    """A sender that counts versions itself is believed, up to what the database can hold."""
    assert [parsed(update() | {"version": version}).version for version in (0, 2**63 - 1)] == [0, 2**63 - 1]


def test_no_version_is_the_one_of_the_row() -> None:
    """`"version": null` is none."""
    assert parsed(update() | {"version": None}) == parsed(update())


# The state of the user


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        ["first_name"],
        "first_name",
        7,
        True,
        {},
        {"first_name": {"a": 1}},
        {"first_name": ["Jane"]},
        {"first_name": 7},
        {"first_name": True},
        {"first_name": None},
        {"first_name": ""},
        {"first_name": " \t\n"},
        {"first_name": "x" * 256},
        {"first_name": "x" * 500_000},
        {"first_name": 10**4000},
        {"first_name": 1e308},
        {"employee_number": "E-1"},
        {"email": "mallory@example.com", "deleted_at": CONFIRMED, "id": "x"},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_users_write_about_themselves_never_fails_an_event(metadata: Json) -> None:
    """raw_user_meta_data of any shape is tolerated; what is not a usable name is left out."""
    assert user_of(raw_user_meta_data=metadata) == AuthUser(JANE)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 4000, b"9" * 5000, b"0.%s1" % (b"0" * 9000)], ids=len)
def test_a_huge_number_in_a_users_metadata_never_fails_an_event(number: bytes) -> None:
    """jsonb holds numbers of 131,072 digits, and a user may write one."""
    body = body_of(update(raw_user_meta_data={"first_name": "#"})).replace(b'"#"', number)
    assert parse_bytes(body).user == AuthUser(JANE)


@pytest.mark.parametrize(
    ("name", "taken"),
    [("Zoë", "Zoë"), ("  Jane ", "Jane"), ("x" * 255, "x" * 255), ("李", "李"), ("🦊", "🦊")],
    ids=repr,
)
def test_a_usable_name_is_taken(name: str, taken: str) -> None:
    """Trimmed, and up to 255 characters."""
    assert user_of(raw_user_meta_data={"first_name": name}).names == {"first_name": taken}


def test_the_name_fields_say_where_names_are() -> None:
    """Each configured column takes the key that it names, and no other."""
    row = update(raw_user_meta_data={"given": "Jane", "first_name": "no", "family": "Doe"})
    assert parsed(row, {"first_name": "given", "last_name": "family"}).user.names == {
        "first_name": "Jane",
        "last_name": "Doe",
    }


@pytest.mark.parametrize(
    ("number", "taken"),
    [("E-1", "E-1"), (" E-1 ", "E-1"), (7, "7"), (True, None), (7.0, None), (None, None), ({}, None), ("", None),
     ("9" * 256, None), (10**300, None)],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_the_employee_number_is_a_text_or_a_whole_number(number: Json, taken: str | None) -> None:
    """Of raw_app_meta_data, which only a service role can write; anything else is no employee number."""
    assert user_of(raw_app_meta_data={"employee_number": number}).employee_number == taken


@pytest.mark.parametrize("metadata", [None, [], "E-1", 7], ids=repr)
def test_app_metadata_that_is_no_object_holds_no_number(metadata: Json) -> None:
    """raw_app_meta_data of any shape is tolerated."""
    assert user_of(raw_app_meta_data=metadata).employee_number is None


@pytest.mark.parametrize(
    ("email", "taken"), [(None, None), ("", None), (" ", None), (" a@example.com ", "a@example.com")]
)
def test_an_empty_email_is_none(email: str | None, taken: str | None) -> None:
    """Users with a phone only have no e-mail, written in several ways."""
    assert user_of(email=email).email == taken


@pytest.mark.parametrize(("value", "is_anonymous"), [(True, True), (False, False), (None, False)])
def test_an_anonymous_user_is_known(value: bool | None, is_anonymous: bool) -> None:
    """Older projects may lack the column's value."""
    assert user_of(is_anonymous=value).is_anonymous is is_anonymous


KNOWN: dict[str, Json] = {
    "email": "jane.doe@example.com",
    "email_confirmed_at": CONFIRMED,
    "raw_user_meta_data": {"first_name": "Jane"},
    "raw_app_meta_data": {"employee_number": "E-1"},
}


def test_a_soft_delete_drops_the_identity() -> None:
    """Auth replaces the e-mail by a hash; nothing of who it was is kept but the id."""
    assert user_of(**KNOWN, deleted_at=CONFIRMED) == AuthUser(JANE, deleted_at=EPOCH)


def test_a_delete_happened_when_it_was_sent() -> None:
    """A hard delete has no deleted_at of its own."""
    assert parsed(delete(**KNOWN)).user == AuthUser(JANE, deleted_at=EPOCH)


def test_a_delete_of_the_soft_deleted_keeps_their_moment() -> None:
    """The first deletion is the one that counts."""
    assert parsed(delete(**KNOWN, deleted_at="2026-01-01T00:00:00+00:00")).user.deleted_at == datetime(
        2026, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-22T14:10:38.241038+00:00", datetime(2026, 11, 22, 14, 10, 38, 241038, UTC)),
        ("2026-11-22T14:10:38.2+00:00", datetime(2026, 11, 22, 14, 10, 38, 200000, UTC)),
        ("2026-11-22T14:10:38+00:00", datetime(2026, 11, 22, 14, 10, 38, 0, UTC)),
        ("2026-11-22T14:10:38-09:30", datetime(2026, 11, 22, 23, 40, 38, 0, UTC)),
        ("2026-11-22T14:10:38Z", datetime(2026, 11, 22, 14, 10, 38, 0, UTC)),
        ("infinity", LAST),
        ("-infinity", FIRST),
        ("12026-11-22T14:10:38+00:00", LAST),
        ("294276-12-31T23:59:59.999999+00:00", LAST),
        ("0044-03-15T12:00:00+00:00 BC", FIRST),
    ],
)
def test_every_timestamp_of_postgresql_is_understood(written: str, moment: datetime) -> None:
    """What Python cannot hold is the first or last moment that it can."""
    assert user_of(banned_until=written).banned_until == moment


# The order of events


def test_the_operations_of_one_moment_are_ordered() -> None:
    """At the same updated_at an INSERT comes before an UPDATE, and a DELETE after both."""
    versions = [parsed(operation(at=5)).version for operation in (insert, update, delete)]
    assert versions == sorted(set(versions))


def test_a_later_update_outranks_everything_before_it() -> None:
    """One microsecond is more than any operation."""
    earlier = delete(updated_at="2026-11-22T14:10:38.000001+00:00")
    assert parsed(insert(updated_at="2026-11-22T14:10:38.000002+00:00")).version > parsed(earlier).version


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "1969-12-31T23:59:59+00:00", None], ids=repr)
def test_a_version_fits_the_database(moment: str | None) -> None:
    """From 0 to what a bigint holds, whatever updated_at is."""
    assert 0 <= parsed(delete(updated_at=moment, created_at=moment)).version < 2**63


def test_a_row_without_updated_at_is_ordered_by_its_creation() -> None:
    """Auth sets both; a row written by hand may have one."""
    assert parsed(update(updated_at=None)).version == parsed(update(updated_at=CONFIRMED)).version


# The ledger

MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC)) | st.sampled_from([FIRST, LAST])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
USERS = st.builds(
    AuthUser,
    id=st.uuids(),
    email=st.none() | TEXTS,
    email_confirmed=st.booleans(),
    employee_number=st.none() | TEXTS,
    is_anonymous=st.booleans(),
    banned_until=MOMENTS,
    deleted_at=MOMENTS,
    names=st.dictionaries(st.sampled_from(["first_name", "last_name"]), TEXTS),
)


@given(st.builds(AuthEvent, TEXTS, st.sampled_from(Operation), st.integers(0, 2**63 - 1), USERS))
def test_an_event_comes_back_from_the_ledger_as_it_was(event: AuthEvent) -> None:
    """What is stored is all that a replay needs."""
    row = {
        "event_id": event.event_id,
        "operation": event.operation,
        "version": event.version,
        "auth_user_id": str(event.user.id),
        "request_data": to_request_data(event.user),
    }
    assert from_ledger(json.loads(json.dumps(row))) == event


# Refused


def reason_of(body: bytes) -> str:
    with pytest.raises(BadPayload) as caught:
        parse_bytes(body)
    return caught.value.reason


def detail_of(payload: Json) -> str:
    with pytest.raises(InvalidPayload) as caught:
        parse_bytes(body_of(payload))
    return caught.value.detail


def with_raw(value: bytes) -> bytes:
    """An event in which a user's metadata holds this piece of JSON."""
    return body_of(update(raw_user_meta_data={"first_name": "#"})).replace(b'"#"', value)


# What is not JSON

NOT_JSON = {
    "nothing": b"",
    "blanks": b"  ",
    "a word": b"event",
    "half": b'{"type": "INSERT"',
    "two": b"{} {}",
    "a form": b"type=INSERT&table=users",
    "single quotes": b"{'type': 'INSERT'}",
    "a trailing comma": b"[1,]",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": with_raw(b"NaN"),
    "Infinity": with_raw(b"Infinity"),
    "-Infinity": with_raw(b"-Infinity"),
    "a raw NUL": with_raw(b'"\x00"'),
    "a raw line end": with_raw(b'"\n"'),
    "an unknown escape": with_raw(rb'"\x41"'),
    "a broken escape": with_raw(rb'"\u00"'),
    "a leading zero": with_raw(b"007"),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Strictly as RFC 8259 has it."""
    assert reason_of(body) == "not_json"


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"],
    ids=["no UTF-8", "cut off", "overlong NUL", "a surrogate", "over U+10FFFF"],
)
def test_what_is_not_utf8_is_refused(text: bytes) -> None:
    """Strictly as RFC 3629 has it."""
    assert reason_of(with_raw(b'"' + text + b'"')) == "not_utf8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "latin-1"])
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    """Only UTF-8 is JSON on the wire."""
    body = json.dumps(insert(email="zoë@example.com"), ensure_ascii=False).encode(encoding)
    assert reason_of(body) in ("not_utf8", "not_json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "INSERT", "type": "DELETE"}',
        with_raw(b'{"a": 1, "a": 1}'),
        with_raw(b'[{"b": {"": 1, "": 2}}]'),
        with_raw(rb'{"a": 1, "\u0061": 2}'),
    ],
    ids=["on top", "nested", "empty keys in a list", "written differently"],
)
def test_a_key_twice_is_refused(body: bytes) -> None:
    """Readers differ in which one counts, so none does; at every depth."""
    assert reason_of(body) == "duplicate_key"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b"")], ids=str
)
def test_absurd_nesting_is_refused(opening: bytes, closing: bytes) -> None:
    """A hundred thousand levels are an attack, not an event."""
    assert reason_of(with_raw(opening * 100_000 + b"1" + closing * 100_000)) == "too_deep"


@pytest.mark.parametrize("text", [rb'"\u0001"', rb'"\ud83d\ude00"'], ids=["escape", "pair"])
def test_every_depth_is_either_taken_or_refused(text: bytes) -> None:
    """Around the depth that the reader just bears, nothing else of ours breaks."""
    for depth in range(850, 1001):
        try:
            parse_bytes(with_raw(b"[" * depth + text + b"]" * depth))
        except BadPayload as error:
            assert error.reason == "too_deep"  # noqa: PT017 (most depths raise nothing)


# Text that PostgreSQL cannot store

PLACES = {
    "value": b'"%s"',
    "middle": b'"a%sz"',
    "key": b'{"%s": 1}',
    "nested": b'[[{"a": ["%s"]}]]',
    "nested key": b'[{"a": {"b%s": 1}}]',
}
UNSTORABLE = {
    "NUL": rb"\u0000",
    "NUL after a backslash": rb"\\\u0000",
    "NUL after two backslashes": rb"\\\\\u0000",
    "NUL after a quote": rb"\"\u0000",
    "high surrogate": rb"\ud800",
    "last high surrogate": rb"\uDBFF",
    "low surrogate": rb"\udc00",
    "last low surrogate": rb"\uDFFF",
    "two high surrogates": rb"\ud83d\ud83d",
    "pair in the wrong order": rb"\ude00\ud83d",
    "low surrogate after a pair": rb"\ud83d\ude00\ude00",
    "halves apart": rb"\ud83d \ude00",
}
STORABLE = {
    "backslash and u0000": rb"\\u0000",
    "two backslashes and u0000": rb"\\\\u0000",
    "backslash and ud800": rb"\\ud800",
    "backslash and udc00": rb"\\udc00",
    "pair": rb"\ud83d\ude00",
    "pair in capitals": rb"\uD83D\uDE00",
    "another control character": rb"\u0001",
    "u0000 without a backslash": b"u0000",
    "pair and backslash": rb"\ud83d\ude00\\u0000",
    "not a surrogate": rb"\ud7ff\ue000",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("text", UNSTORABLE.values(), ids=UNSTORABLE.keys())
def test_text_that_cannot_be_stored_is_refused(text: bytes, place: bytes) -> None:
    """NUL and halves of surrogate pairs, in values and in keys, at every depth."""
    assert reason_of(with_raw(place % text)) == "unstorable_text"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("text", STORABLE.values(), ids=STORABLE.keys())
def test_text_that_only_looks_like_it_is_taken(text: bytes, place: bytes) -> None:
    """An escaped backslash before u0000 is four harmless characters, and a proper pair is one."""
    assert parse_bytes(with_raw(place % text)).user.id == JANE


# What is no event of auth.users


@pytest.mark.parametrize("top", [[], [insert()], "INSERT", 7, 1.5, True, None, {}], ids=lambda top: repr(top)[:15])
def test_only_an_object_is_an_event(top: Json) -> None:
    """Whatever else JSON can be is refused, an empty object too."""
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
        ({"old_record": 7}, "old_record"),
    ],
    ids=repr,
)
def test_only_row_events_of_auth_users_are_taken(changed: dict[str, Json], field: str) -> None:
    """The answer names the field that is wrong."""
    assert f"{field}: " in detail_of(update() | changed) or f"{field}." in detail_of(update() | changed)


@pytest.mark.parametrize("missing", ["type", "schema", "table", "record"])
def test_an_event_without_one_of_its_keys_is_refused(missing: str) -> None:
    """Each of them is needed, and named."""
    assert f"{missing}: " in detail_of({key: value for key, value in update().items() if key != missing})


@pytest.mark.parametrize(
    ("payload", "half"),
    [(insert() | {"record": None}, "record"), (delete() | {"old_record": None}, "old_record"),
     (delete() | {"record": insert()["record"], "old_record": None}, "old_record")],
    ids=["INSERT", "DELETE", "DELETE with the other half"],
)  # fmt: skip
def test_each_operation_needs_its_half(payload: Json, half: str) -> None:
    """INSERT and UPDATE need the new row, DELETE the old one."""
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
    """What PostgreSQL cannot have written is no row of auth.users; the answer names the column."""
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
def test_an_answer_never_repeats_a_value(payload: Json) -> None:
    """The error names fields; what was in them may be personal."""
    with pytest.raises(InvalidPayload) as caught:
        parse_bytes(body_of(payload))
    assert CANARY not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize(
    "body",
    [
        CANARY.encode(),
        with_raw(b'"%s" x' % CANARY.encode()),
        with_raw(b'"%s\\u0000"' % CANARY.encode()),
        with_raw(b'{"%s": 1, "%s": 2}' % (CANARY.encode(), CANARY.encode())),
        with_raw(b'"%s\xff"' % CANARY.encode()),
    ],
    ids=["not JSON", "broken JSON", "NUL", "duplicate key", "not UTF-8"],
)
def test_an_answer_never_repeats_the_body(body: bytes) -> None:
    """Nor does the error of a body that could not be read."""
    with pytest.raises(BadPayload) as caught:
        parse_bytes(body)
    assert CANARY not in f"{caught.value} {caught.value.detail}"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.binary())
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    """No body makes the parser raise anything but BadPayload."""
    with pytest.raises(BadPayload):
        parse_bytes(body)


@given(st.sampled_from(sorted(update()["record"])), ANYTHING)
def test_any_value_of_any_column_is_taken_or_refused(column: str, value: Json) -> None:
    """No value of any column makes the parser raise anything but BadPayload."""
    try:
        event = parse_bytes(json.dumps(update(**{column: value})).encode())
    except BadPayload:
        return
    assert event.event_id == "evt-1"
