"""Requests that Supabase never sends, and the form of their refusal."""

import json

from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.auth_traffic import headers_for
from tests.employees import Connection
from webhook_service.events import Json

PATH = "/webhook/auth"

# All examples of a test can share one database, because the claims hold for every request in any state of the ledger
# and no example relies on the rows of another one. There is no deadline, because the examples use a real database.
hostile = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(connection: Connection) -> int:
    (count,) = connection.execute("select count(*) as n from integration_sync_log").fetchone().values()  # type: ignore[union-attr]
    return int(count)


def problem_of(response: TestResponse) -> dict[str, Json]:
    """Return the problem document of a refused request, after checking its form."""
    assert response.mimetype == "application/problem+json"
    document: dict[str, Json] = json.loads(response.data)
    assert set(document) == {"type", "title", "status", "detail", "reason"}
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:webhook-service:{document['reason']}"
    assert document["title"]
    assert document["detail"]
    return document


def sent(client: FlaskClient, body: bytes, **headers: str) -> TestResponse:
    """Post a body with a valid signature."""
    return client.post(PATH, data=body, headers=headers_for(body) | headers)


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


def written(payload: Json) -> bytes:
    """Encode as JSON with escapes, so that half of a surrogate pair arrives as a careless sender would send it."""
    return json.dumps(payload).encode()
