"""Requests that are refused for their size, content type, path or method."""

from datetime import UTC, datetime
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from tests.auth_traffic import headers_for, insert, update
from tests.employees import Connection
from tests.integration.hostile_traffic import PATH, problem_of, rows, sent, written
from webhook_service.demo.traffic import body_of
from webhook_service.inbound.signature import SIGNATURE_HEADER

# Size and content type


@pytest.mark.parametrize("size", [1_000_001, 3_000_000])
def test_a_body_over_the_limit_gets_413(client: FlaskClient, connection: Connection, size: int) -> None:
    """A body over the limit gets a 413 even with a valid signature."""
    body = body_of(insert())
    response = sent(client, body + b" " * (size - len(body)))
    assert (response.status_code, problem_of(response)["reason"]) == (413, "too_large")
    assert rows(connection) == 0


@pytest.mark.parametrize(("size", "status"), [(1_000_000, 200), (1_000_001, 413), (3_000_000, 413)])
def test_a_body_without_a_declared_length_has_the_same_limit(client: FlaskClient, size: int, status: int) -> None:
    """A chunked body has the same limit, and the service never reads a part of the body as the whole body."""
    body = body_of(insert())
    body += b" " * (size - len(body))
    ends_by_itself = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    response = client.post(
        PATH, input_stream=BytesIO(body), headers=headers_for(body), environ_overrides=ends_by_itself
    )
    assert response.status_code == status


def test_a_body_at_the_limit_is_accepted(client: FlaskClient) -> None:
    """A body of exactly MAX_BODY_BYTES is accepted."""
    body = body_of(insert())
    assert sent(client, body + b" " * (1_000_000 - len(body))).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonp", "application/json, text/plain", ";", "application", "application/problem+json"],
    ids=repr,
)  # fmt: skip
def test_another_content_type_gets_415(client: FlaskClient, connection: Connection, content_type: str) -> None:
    """A request whose body is not declared as JSON gets a 415."""
    response = sent(client, body_of(insert()), **{"Content-Type": content_type})
    assert (response.status_code, problem_of(response)["reason"]) == (415, "wrong_content_type")
    assert rows(connection) == 0


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
def test_json_may_be_declared_with_parameters(client: FlaskClient, content_type: str) -> None:
    """As HTTP allows, the content type of JSON may have parameters and any case."""
    assert sent(client, body_of(insert()), **{"Content-Type": content_type}).status_code == 200


# Other paths and methods


@pytest.mark.parametrize(
    "path", ["/", "/webhook", "/webhook/auth/", "/webhook/auth/x", "/static/x", "/%00", "/é", "/.."]
)
def test_an_unknown_path_gets_404(client: FlaskClient, path: str) -> None:
    """An unknown path gets a 404 problem document."""
    response = client.post(path, data=b"{}")
    assert (response.status_code, problem_of(response)["reason"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["//webhook/auth", "///webhook/auth"])
def test_extra_leading_slashes_do_not_redirect(client: FlaskClient, connection: Connection, path: str) -> None:
    """Flask routes a path with extra leading slashes to the webhook, which verifies the signature as usual."""
    body = body_of(insert())
    # Servers pass the path in PATH_INFO. Flask's client would read the text after two slashes as a host.
    response = client.post("/", data=body, headers=headers_for(body), environ_overrides={"PATH_INFO": path})
    assert response.status_code == 200
    assert rows(connection) == 1


@pytest.mark.parametrize("path", ["/webhook//auth", "/webhook/auth//", "/healthz/", "//example.com"])
def test_no_path_redirects(client: FlaskClient, path: str) -> None:
    """No path redirects, because pg_net turns a redirected POST into a GET and logs it as delivered."""
    assert client.post(path, data=b"{}").status_code in (404, 405)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "NONSENSE"])
def test_another_method_gets_405(client: FlaskClient, method: str) -> None:
    """Another method gets a 405 problem document that lists the allowed methods."""
    response = client.open(PATH, method=method)
    assert (response.status_code, problem_of(response)["reason"]) == (405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


def test_a_refusal_does_not_repeat_the_request(client: FlaskClient) -> None:
    """No response repeats the body or the signature."""
    body = written(update(id="canary@example.com"))
    headers = headers_for(body, now=datetime.now(UTC))
    answer = client.post(PATH, data=body, headers=headers).get_data(as_text=True)
    assert not [secret for secret in ("canary", headers[SIGNATURE_HEADER]) if secret in answer]
