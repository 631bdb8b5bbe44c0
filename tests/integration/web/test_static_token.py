"""The static token is accepted only if WEBHOOK_STATIC_TOKEN turns it on. It never excuses a wrong signature."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.auth_traffic import SECRET, headers_for, insert, post
from tests.employees import Connection
from tests.integration.hostile_traffic import HEADERS, PATH, hostile, problem_of, rows
from webhook_service.app import create_app
from webhook_service.demo.traffic import body_of
from webhook_service.inbound.signature import TOKEN_HEADER, mint_token, parse_secrets
from webhook_service.ports import Database
from webhook_service.settings import Settings

TOKEN = mint_token(parse_secrets(SECRET), "dashboard")


Client = Callable[[bool], FlaskClient]


@pytest.fixture
def client_with_tokens(settings: Settings, database: Database) -> Client:
    apps = {on: create_app(replace(settings, static_token=on), database) for on in (False, True)}
    return lambda on: apps[on].test_client()


def sent_with_token(client: FlaskClient, token: str, **headers: str) -> TestResponse:
    headers |= {TOKEN_HEADER: token, "Content-Type": "application/json"}
    return client.post(PATH, data=body_of(insert()), headers=headers)


def test_a_token_is_accepted_if_it_is_turned_on(client_with_tokens: Client) -> None:
    """A valid token is accepted if the setting allows it."""
    assert sent_with_token(client_with_tokens(True), TOKEN).status_code == 200


def test_a_token_is_ignored_if_it_is_turned_off(client_with_tokens: Client, connection: Connection) -> None:
    """By default, a request with a valid token counts as unsigned."""
    response = sent_with_token(client_with_tokens(False), TOKEN)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "missing_signature")
    assert rows(connection) == 0


@pytest.mark.parametrize("token", ["", "x", f"{TOKEN}x", "é", "." * 100], ids=repr)
def test_a_forged_token_gets_401(client_with_tokens: Client, connection: Connection, token: str) -> None:
    """A token that the service did not mint gets a 401."""
    response = sent_with_token(client_with_tokens(True), token)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "wrong_token")
    assert rows(connection) == 0


def test_a_token_does_not_excuse_a_wrong_signature(client_with_tokens: Client) -> None:
    """A wrong signature is refused even beside a valid token."""
    headers = headers_for(b"another body")
    response = sent_with_token(client_with_tokens(True), TOKEN, **headers)
    assert (response.status_code, problem_of(response)["reason"]) == (401, "wrong_signature")


def test_signatures_are_accepted_beside_tokens(client_with_tokens: Client) -> None:
    """Signed deliveries are still accepted if tokens are allowed."""
    assert post(client_with_tokens(True), insert()).status_code == 200


def test_the_same_body_under_a_token_is_a_duplicate(client_with_tokens: Client, connection: Connection) -> None:
    """The event id of a delivery with a token is derived from its body."""
    client = client_with_tokens(True)
    outcomes = [sent_with_token(client, TOKEN).get_json()["outcome"] for _ in range(2)]
    assert outcomes[1] == "duplicate"
    assert rows(connection) == 1


@hostile
@given(headers=HEADERS, body=st.binary(max_size=50))
def test_with_tokens_random_requests_get_401(client_with_tokens: Client, headers: dict[str, str], body: bytes) -> None:
    """A random request is refused even if tokens are allowed."""
    assert client_with_tokens(True).post(PATH, data=body, headers=headers).status_code == 401
