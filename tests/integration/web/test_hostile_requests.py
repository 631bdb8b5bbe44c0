"""A hostile request gets a response with the reason of its refusal, never a 5xx, and nothing is written."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_traffic import CONFIRMED, JANE, headers_for, insert, post, update
from tests.employees import Connection
from tests.integration.hostile_traffic import HEADERS, LATIN, LIKELY, PATH, hostile, problem_of, rows, sent, written
from webhook_service.demo.traffic import body_of
from webhook_service.events import Json

SAMPLES = [
    payload
    for file in sorted((Path(__file__).parents[2] / "samples").glob("*.json"))
    for content in [json.loads(file.read_text("utf-8"))]
    for payload in (content if isinstance(content, list) else [content])
]


# Unsigned


@hostile
@given(headers=HEADERS, body=st.binary(max_size=200))
def test_an_unsigned_request_gets_401(
    client: FlaskClient, connection: Connection, headers: dict[str, str], body: bytes
) -> None:
    """A request with random headers and a random body gets a 401 problem document, and nothing is written.

    Werkzeug refuses a few names of hosts, such as a single dot, with 400.
    """
    response = client.post(PATH, data=body, headers=headers)
    assert problem_of(response)["status"] == 401 or ("Host" in headers and response.status_code == 400)
    assert rows(connection) == 0


@hostile
@given(headers=HEADERS, body=st.binary(max_size=50))
def test_no_header_causes_a_5xx(client: FlaskClient, headers: dict[str, str], body: bytes) -> None:
    """A random header, such as Host, Content-Type or an encoding, beside a valid signature causes no 5xx."""
    signed = headers_for(body)
    others = {name: value for name, value in headers.items() if not name.startswith("webhook-")}
    response = client.post(PATH, data=body, headers=signed | others)
    assert 400 <= response.status_code < 500
    problem_of(response)


@hostile
@given(name=st.sampled_from(sorted(headers_for(b""))[1:]), value=LATIN | LIKELY)
def test_one_wrong_header_of_the_signature_gets_401(client: FlaskClient, name: str, value: str) -> None:
    """A wrong value in any of the three signature headers gets a 401."""
    body = body_of(insert())
    response = client.post(PATH, data=body, headers=headers_for(body) | {name: value})
    assert response.status_code == 401
    problem_of(response)


@hostile
@given(data=st.data())
def test_a_body_with_a_changed_byte_gets_401(client: FlaskClient, connection: Connection, data: st.DataObject) -> None:
    """A request with one changed byte in its body gets a 401, because the signature covers each byte."""
    body = bytearray(body_of(data.draw(st.sampled_from(SAMPLES))))
    headers = headers_for(bytes(body))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    assert client.post(PATH, data=bytes(body), headers=headers).status_code == 401
    assert rows(connection) == 0


# Signed

ZONES = st.builds(timezone, st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"]), min_size=1, max_size=2)
    | st.sampled_from([CONFIRMED, "infinity", "-infinity", str(JANE), "2026-11-22T00:00:00+23:59", "0044-03-15 BC"])
    | st.datetimes(timezones=ZONES).map(datetime.isoformat)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)


@hostile
@given(body=st.binary(max_size=300) | ANYTHING.map(written))
def test_a_signed_body_that_is_not_an_event_gets_4xx(client: FlaskClient, connection: Connection, body: bytes) -> None:
    """Signed random bytes and signed random JSON are refused, and nothing is written."""
    response = sent(client, body)
    assert response.status_code in (400, 422)
    problem_of(response)
    assert rows(connection) == 0


@hostile
@given(data=st.data())
def test_a_real_event_with_random_values_never_gets_a_5xx(
    client: FlaskClient, connection: Connection, data: st.DataObject
) -> None:
    """A recorded payload with random values is accepted or refused. If it is refused, nothing is written."""
    payload = json.loads(json.dumps(data.draw(st.sampled_from(SAMPLES))))
    place = data.draw(
        st.sampled_from([payload] + [payload[half] for half in ("record", "old_record") if payload[half]])
    )
    place |= data.draw(st.dictionaries(st.sampled_from(sorted(place)), ANYTHING, min_size=1, max_size=3))
    before = rows(connection)
    response = sent(client, written(payload))
    assert response.status_code in (200, 400, 422)
    assert rows(connection) - before == (response.status_code == 200)


TEXTS = st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=3)
MOMENTS = st.sampled_from(["infinity", "0044-03-15T12:00:00+00:00 BC"]) | st.datetimes(timezones=ZONES).map(
    datetime.isoformat
)
FITTING = {"email": TEXTS, "banned_until": MOMENTS, "deleted_at": MOMENTS, "updated_at": MOMENTS} | {
    "raw_user_meta_data": st.dictionaries(st.sampled_from(["first_name", "last_name"]), TEXTS),
    "raw_app_meta_data": st.fixed_dictionaries({"employee_number": TEXTS}),
}


@hostile
@given(columns=st.fixed_dictionaries({}, optional=FITTING))
def test_a_row_with_unusual_values_never_gets_a_5xx(client: FlaskClient, columns: dict[str, Json]) -> None:
    """An event with random text and timestamps is accepted, or refused before it reaches PostgreSQL."""
    response = sent(client, written(update(**columns)))
    assert response.status_code in (200, 400, 422)


@hostile
@given(metadata=st.dictionaries(st.sampled_from(["first_name", "last_name", "x"]), ANYTHING) | ANYTHING)
def test_a_user_cannot_break_their_own_event(client: FlaskClient, metadata: Json) -> None:
    """An event is accepted with any metadata that a user can store. Metadata is any value of jsonb."""
    text = json.dumps(metadata, ensure_ascii=False)
    holds = "NaN" not in text and "Infinity" not in text and "\\u0000" not in text
    storable = holds and text == text.encode("utf-8", "ignore").decode()
    response = sent(client, written(update(raw_user_meta_data=metadata if storable else None)))
    assert response.status_code == 200


ODD_EVENTS: dict[str, bytes] = {
    "low surrogate in a name": written(update(raw_user_meta_data={"first_name": "\udc00"})),
    "high surrogate in a name": written(update(raw_user_meta_data={"first_name": "\ud800"})),
    "low surrogate in the e-mail": written(update(email="a\udfff@example.com")),
    "NUL in the e-mail": written(update(email="a\x00@example.com")),
    "zone that PostgreSQL does not know": written(update(banned_until="2026-11-22T00:00:00+20:00")),
    "deletion in a zone that PostgreSQL does not know": written(update(deleted_at="2026-11-22T00:00:00-23:59")),
}


@pytest.mark.parametrize("body", ODD_EVENTS.values(), ids=ODD_EVENTS.keys())
def test_a_value_that_postgresql_cannot_store_is_refused(
    client: FlaskClient, connection: Connection, body: bytes
) -> None:
    """An event with a value that jsonb or timestamptz cannot hold gets a 4xx, because it is the sender's error."""
    response = sent(client, body)
    assert response.status_code in (400, 422)
    assert rows(connection) == 0


BORDERLINE = {
    "last moment": update(banned_until="9999-12-31T23:59:59.999999-12:00"),
    "first moment": update(banned_until="0001-01-01T00:00:00+14:00"),
    "infinity": update(banned_until="infinity", updated_at="infinity"),
    "before Christ": update(deleted_at="0044-03-15T12:00:00+00:00 BC", updated_at="0044-03-15T12:00:00+00:00 BC"),
    "longest e-mail": update(email="🦊" * 1000, email_confirmed_at=CONFIRMED),
    "longest number": update(raw_app_meta_data={"employee_number": "🦊" * 255}),
    "control characters": update(email="\x01\x1b\x7f\x85\u2028", raw_user_meta_data={"first_name": "a\x01\ufffe"}),
    "quotes": update(email="'; drop table employees; --", raw_user_meta_data={"first_name": "%s {} $1 \\"}),
}


@pytest.mark.parametrize("payload", BORDERLINE.values(), ids=BORDERLINE.keys())
def test_an_unusual_but_storable_value_is_accepted(client: FlaskClient, connection: Connection, payload: Json) -> None:
    """An event with a value at the limit of its range is accepted."""
    assert post(client, payload).status_code == 200
    assert rows(connection) == 1


def test_an_email_too_long_for_an_index_fails_alone(client: FlaskClient, connection: Connection) -> None:
    """An event with an e-mail that the database cannot index fails in the ledger. Its delivery gets no 5xx."""
    connection.execute("insert into employees (email, employee_number) values ('jane@example.com', 'E-1')")
    email = "".join(chr(0x10000 + at * 7919 % 0xF0000) for at in range(1000))
    known: Json = {"employee_number": "E-1"}
    response = post(client, update(email=email, email_confirmed_at=CONFIRMED, raw_app_meta_data=known))
    assert response.get_json()["outcome"] == "employee_rejected"
