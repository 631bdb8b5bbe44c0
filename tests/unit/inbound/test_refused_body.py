"""Bodies that are refused before they are read as an event, as invalid JSON or text that PostgreSQL cannot store."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_traffic import CANARY, JANE, insert, update
from tests.webhook_events import parse_bytes
from webhook_service.demo.traffic import body_of
from webhook_service.errors import BadPayload


def reason_of(body: bytes) -> str:
    with pytest.raises(BadPayload) as caught:
        parse_bytes(body)
    return caught.value.reason


def with_raw(value: bytes) -> bytes:
    """An event in which a user's metadata holds this piece of JSON."""
    return body_of(update(raw_user_meta_data={"first_name": "#"})).replace(b'"#"', value)


# Bodies that are not JSON

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
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    """A body that is not JSON according to RFC 8259 is refused."""
    assert reason_of(body) == "not_json"


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"],
    ids=["no UTF-8", "cut off", "overlong NUL", "a surrogate", "over U+10FFFF"],
)
def test_a_body_that_is_not_utf8_is_refused(text: bytes) -> None:
    """A body that is not UTF-8 according to RFC 3629 is refused."""
    assert reason_of(with_raw(b'"' + text + b'"')) == "not_utf8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le", "latin-1"])
def test_json_in_another_encoding_is_refused(encoding: str) -> None:
    """JSON in an encoding other than UTF-8 is refused."""
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
def test_a_duplicate_key_is_refused(body: bytes) -> None:
    """A duplicate key is refused at every depth, because JSON readers use different values of it."""
    assert reason_of(body) == "duplicate_key"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b"")], ids=str
)
def test_absurd_nesting_is_refused(opening: bytes, closing: bytes) -> None:
    """A body with a hundred thousand levels is refused, because it is an attack."""
    assert reason_of(with_raw(opening * 100_000 + b"1" + closing * 100_000)) == "too_deep"


@pytest.mark.parametrize("text", [rb'"\u0001"', rb'"\ud83d\ude00"'], ids=["escape", "pair"])
def test_every_depth_is_either_taken_or_refused(text: bytes) -> None:
    """At any depth near the reader's limit, a body is either parsed or refused, and no other error occurs."""
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
    """Text with NUL or half a surrogate pair is refused in values and keys, at every depth."""
    assert reason_of(with_raw(place % text)) == "unstorable_text"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("text", STORABLE.values(), ids=STORABLE.keys())
def test_similar_text_that_can_be_stored_is_accepted(text: bytes, place: bytes) -> None:
    """Text with an escaped backslash before u0000, or with a complete surrogate pair, is accepted."""
    assert parse_bytes(with_raw(place % text)).user.id == JANE


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
def test_an_error_never_quotes_the_body(body: bytes) -> None:
    """The error of a body that cannot be read does not quote it."""
    with pytest.raises(BadPayload) as caught:
        parse_bytes(body)
    assert CANARY not in f"{caught.value} {caught.value.detail}"


@given(st.binary())
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    """The parser raises only BadPayload, for any body."""
    with pytest.raises(BadPayload):
        parse_bytes(body)
