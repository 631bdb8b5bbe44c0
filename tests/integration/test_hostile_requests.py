"""Whatever arrives: an answer that says why not, never a 5xx, and nothing written."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.auth_traffic import CONFIRMED, JANE, SECRET, body_of, headers_for, insert, post, update
from webhook_service.app import create_app
from webhook_service.config import Settings
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.signature import SIGNATURE_HEADER, TOKEN_HEADER, mint_token, parse_secrets

Connection = psycopg.Connection[dict[str, Any]]
PATH = "/webhook/auth"
SAMPLES = [
    payload
    for file in sorted((Path(__file__).parents[1] / "samples").glob("*.json"))
    for content in [json.loads(file.read_text("utf-8"))]
    for payload in (content if isinstance(content, list) else [content])
]
TOKEN = mint_token(parse_secrets(SECRET), "dashboard")

# One database for all examples of a test is sound: what is claimed holds for every request in any state of the
# ledger, and no example relies on what another one left there. No deadline: a real database is asked.
hostile = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(connection: Connection) -> int:
    (count,) = connection.execute("select count(*) as n from integration_sync_log").fetchone().values()  # type: ignore[union-attr]
    return int(count)


def problem_of(response: TestResponse) -> dict[str, Json]:
    """The problem document of a refused request, checked for its form."""
    assert response.mimetype == "application/problem+json"
    document: dict[str, Json] = json.loads(response.data)
    assert set(document) == {"type", "title", "status", "detail", "reason"}
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:webhook-service:{document['reason']}"
    assert document["title"]
    assert document["detail"]
    return document


def sent(client: FlaskClient, body: bytes, **headers: str) -> TestResponse:
    """Rightly signed, whatever it is."""
    return client.post(PATH, data=body, headers=headers_for(body) | headers)


# Unsigned

NAMES = st.sampled_from(
    ["webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-token", "Content-Type", "Content-Encoding",
     "Transfer-Encoding", "Authorization", "Cookie", "Accept", "Expect", "Host", "X-Forwarded-For", "X-Forwarded-Host",
     "Range", "If-Match", "User-Agent", "X-HTTP-Method-Override"]
)  # fmt: skip
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=80)
LIKELY = st.sampled_from(
    ["", "0", "1", "-1", "v1,", "v1,AAAA", "v1," + "A" * 43 + "=", "evt-1", "application/json", "gzip", "chunked",
     "999999999999", "application/json; x*=y''%ff", "multipart/form-data", "bytes=0-"]
)  # fmt: skip
HEADERS = st.dictionaries(NAMES, LATIN | LIKELY | st.integers().map(str), max_size=8)


@hostile
@given(headers=HEADERS, body=st.binary(max_size=200))
def test_an_unsigned_request_is_401(
    client: FlaskClient, connection: Connection, headers: dict[str, str], body: bytes
) -> None:
    """Random headers and bodies are answered with a problem document of 401, and nothing is written."""
    response = client.post(PATH, data=body, headers=headers)
    assert problem_of(response)["status"] == 401
    assert rows(connection) == 0


@hostile
@given(headers=HEADERS, body=st.binary(max_size=50))
def test_no_header_makes_a_5xx(client: FlaskClient, headers: dict[str, str], body: bytes) -> None:
    """Around a right signature, any other header is harmless: a Host, a type, an encoding."""
    signed = headers_for(body)
    others = {name: value for name, value in headers.items() if not name.startswith("webhook-")}
    response = client.post(PATH, data=body, headers=signed | others)
    assert 400 <= response.status_code < 500
    problem_of(response)


@hostile
@given(name=st.sampled_from(sorted(headers_for(b""))[1:]), value=LATIN | LIKELY)
def test_one_wrong_header_of_the_signature_is_401(client: FlaskClient, name: str, value: str) -> None:
    """Each of the three is checked, whatever is in it."""
    body = body_of(insert())
    response = client.post(PATH, data=body, headers=headers_for(body) | {name: value})
    assert response.status_code == 401
    problem_of(response)


@hostile
@given(data=st.data())
def test_a_body_with_one_other_byte_is_401(client: FlaskClient, connection: Connection, data: st.DataObject) -> None:
    """Each byte of the body is signed."""
    body = bytearray(body_of(data.draw(st.sampled_from(SAMPLES))))
    headers = headers_for(bytes(body))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    assert client.post(PATH, data=bytes(body), headers=headers).status_code == 401
    assert rows(connection) == 0


# Rightly signed

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

MAPPED = ["id", "email", "is_anonymous", "email_confirmed_at", "banned_until", "deleted_at", "created_at", "updated_at",
          "raw_app_meta_data", "raw_user_meta_data"]  # fmt: skip


def written(payload: Json) -> bytes:
    """With escapes, so that half of a surrogate pair arrives as it would from a careless sender."""
    return json.dumps(payload).encode()


@hostile
@given(body=st.binary(max_size=300) | ANYTHING.map(written))
def test_a_signed_body_that_is_no_event_is_4xx(client: FlaskClient, connection: Connection, body: bytes) -> None:
    """Random bytes and random JSON are refused, and nothing is written."""
    response = sent(client, body)
    assert response.status_code in (400, 422)
    problem_of(response)
    assert rows(connection) == 0


@hostile
@given(data=st.data())
def test_a_real_event_with_random_values_is_never_a_5xx(
    client: FlaskClient, connection: Connection, data: st.DataObject
) -> None:
    """Any values in a recorded payload are taken or refused; refused means that nothing is written."""
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
def test_a_row_that_almost_fits_is_never_a_5xx(client: FlaskClient, columns: dict[str, Json]) -> None:
    """Text and timestamps that look right are taken, or refused before PostgreSQL has to."""
    response = sent(client, written(update(**columns)))
    assert response.status_code in (200, 400, 422)


@hostile
@given(metadata=st.dictionaries(st.sampled_from(["first_name", "last_name", "x"]), ANYTHING) | ANYTHING)
def test_a_user_cannot_break_their_own_event(client: FlaskClient, metadata: Json) -> None:
    """Whatever a user can write into their metadata, that is whatever jsonb can hold, the event is taken."""
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
    "deletion in such a zone": written(update(deleted_at="2026-11-22T00:00:00-23:59")),
}


@pytest.mark.parametrize("body", ODD_EVENTS.values(), ids=ODD_EVENTS.keys())
def test_what_postgresql_would_refuse_is_refused_before_it(
    client: FlaskClient, connection: Connection, body: bytes
) -> None:
    """A value that no jsonb or timestamptz can hold is the sender's mistake, not ours."""
    response = sent(client, body)
    assert response.status_code in (400, 422)
    assert rows(connection) == 0


BORDERLINE = {
    "last moment": update(banned_until="9999-12-31T23:59:59.999999-12:00"),
    "first moment": update(banned_until="0001-01-01T00:00:00+14:00"),
    "infinity": update(banned_until="infinity", updated_at="infinity"),
    "before Christ": update(deleted_at="0044-03-15T12:00:00+00:00 BC", updated_at="0044-03-15T12:00:00+00:00 BC"),
    "greatest version": update() | {"version": 2**63 - 1},
    "longest e-mail": update(email="🦊" * 1000, email_confirmed_at=CONFIRMED),
    "longest number": update(raw_app_meta_data={"employee_number": "🦊" * 255}),
    "control characters": update(email="\x01\x1b\x7f\x85\u2028", raw_user_meta_data={"first_name": "a\x01\ufffe"}),
    "quotes": update(email="'; drop table employees; --", raw_user_meta_data={"first_name": "%s {} $1 \\"}),
}


@pytest.mark.parametrize("payload", BORDERLINE.values(), ids=BORDERLINE.keys())
def test_what_is_odd_but_storable_is_taken(client: FlaskClient, connection: Connection, payload: Json) -> None:
    """The ends of every range are inside of it."""
    assert post(client, payload).status_code == 200
    assert rows(connection) == 1


def test_an_email_too_long_for_an_index_fails_alone(client: FlaskClient, connection: Connection) -> None:
    """An employee's e-mail that the database cannot index is a failed event in the ledger, not a 5xx."""
    connection.execute("insert into employees (email, employee_number) values ('jane@example.com', 'E-1')")
    email = "".join(chr(0x10000 + at * 7919 % 0xF0000) for at in range(1000))
    known: Json = {"employee_number": "E-1"}
    response = post(client, update(email=email, email_confirmed_at=CONFIRMED, raw_app_meta_data=known))
    assert response.get_json()["outcome"] == "employee_rejected"


# The limits of a request


@pytest.mark.parametrize("size", [1_000_001, 3_000_000])
def test_a_body_over_the_limit_is_413(client: FlaskClient, connection: Connection, size: int) -> None:
    """A right signature does not help."""
    body = body_of(insert())
    response = sent(client, body + b" " * (size - len(body)))
    assert (response.status_code, problem_of(response)["reason"]) == (413, "too_large")
    assert rows(connection) == 0


def test_a_body_at_the_limit_is_taken(client: FlaskClient) -> None:
    """MAX_BODY_BYTES itself is still allowed."""
    body = body_of(insert())
    assert sent(client, body + b" " * (1_000_000 - len(body))).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonp", "application/json, text/plain", ";", "application", "application/problem+json"],
    ids=repr,
)  # fmt: skip
def test_another_content_type_is_415(client: FlaskClient, connection: Connection, content_type: str) -> None:
    """Only what is declared as JSON is read as JSON."""
    response = sent(client, body_of(insert()), **{"Content-Type": content_type})
    assert (response.status_code, problem_of(response)["reason"]) == (415, "wrong_content_type")
    assert rows(connection) == 0


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
def test_json_may_be_declared_with_parameters(client: FlaskClient, content_type: str) -> None:
    """In any case, as HTTP has it."""
    assert sent(client, body_of(insert()), **{"Content-Type": content_type}).status_code == 200


# The static token

Client = Callable[[bool], FlaskClient]


@pytest.fixture
def client_with_tokens(settings: Settings, database: Database) -> Client:
    return lambda on: create_app(replace(settings, static_token=on), database).test_client()


def sent_with_token(client: FlaskClient, token: str, **headers: str) -> TestResponse:
    headers |= {TOKEN_HEADER: token, "Content-Type": "application/json"}
    return client.post(PATH, data=body_of(insert()), headers=headers)


def test_a_token_is_believed_where_it_is_turned_on(client_with_tokens: Client) -> None:
    """The weaker way is open once the setting says so."""
    assert sent_with_token(client_with_tokens(True), TOKEN).status_code == 200


def test_a_token_is_nothing_where_it_is_turned_off(client_with_tokens: Client, connection: Connection) -> None:
    """Off by default: a right token is an unsigned request."""
    response = sent_with_token(client_with_tokens(False), TOKEN)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "missing_signature")
    assert rows(connection) == 0


@pytest.mark.parametrize("token", ["", "x", f"{TOKEN}x", "é", "." * 100], ids=repr)
def test_a_forged_token_is_401(client_with_tokens: Client, connection: Connection, token: str) -> None:
    """Whatever it is, it is not one of ours."""
    response = sent_with_token(client_with_tokens(True), token)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "wrong_token")
    assert rows(connection) == 0


def test_a_token_does_not_excuse_a_wrong_signature(client_with_tokens: Client) -> None:
    """Who signs is held to the signature, though the token be right."""
    headers = headers_for(b"another body")
    response = sent_with_token(client_with_tokens(True), TOKEN, **headers)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "wrong_signature")


def test_signatures_are_believed_beside_tokens(client_with_tokens: Client) -> None:
    """The setting adds a way and takes none away."""
    assert post(client_with_tokens(True), insert()).status_code == 200


def test_the_same_body_under_a_token_is_a_duplicate(client_with_tokens: Client, connection: Connection) -> None:
    """The event id derives from the body."""
    client = client_with_tokens(True)
    outcomes = [sent_with_token(client, TOKEN).get_json()["outcome"] for _ in range(2)]
    assert outcomes[1] == "duplicate"
    assert rows(connection) == 1


@hostile
@given(headers=HEADERS, body=st.binary(max_size=50))
def test_with_tokens_a_random_request_is_401(client_with_tokens: Client, headers: dict[str, str], body: bytes) -> None:
    """The second way lets in nothing that the first one would not."""
    assert client_with_tokens(True).post(PATH, data=body, headers=headers).status_code == 401


# Other paths and methods


@pytest.mark.parametrize(
    "path", ["/", "/webhook", "/webhook/auth/", "/webhook/auth/x", "/static/x", "/%00", "/é", "/.."]
)
def test_an_unknown_path_is_404(client: FlaskClient, path: str) -> None:
    """With a problem document."""
    response = client.post(path, data=b"{}")
    assert (response.status_code, problem_of(response)["reason"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["//webhook/auth", "/webhook//auth", "/webhook/auth//", "/healthz/", "//example.com"])
def test_no_path_redirects(client: FlaskClient, path: str) -> None:
    """pg_net turns a redirected POST into a GET and logs it as delivered."""
    assert client.post(path, data=b"{}").status_code in (404, 405)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "NONSENSE"])
def test_another_method_is_405(client: FlaskClient, method: str) -> None:
    """With a problem document, and the methods that are allowed."""
    response = client.open(PATH, method=method)
    assert (response.status_code, problem_of(response)["reason"]) == (405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


def test_a_refusal_does_not_show_what_was_sent(client: FlaskClient) -> None:
    """No answer repeats the body or the signature."""
    body = written(update(id="canary@example.com"))
    headers = headers_for(body, now=datetime.now(UTC))
    answer = client.post(PATH, data=body, headers=headers).get_data(as_text=True)
    assert not [secret for secret in ("canary", headers[SIGNATURE_HEADER]) if secret in answer]
