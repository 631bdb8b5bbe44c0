"""The static token over HTTP: believed only where it is turned on, and never instead of a signature."""

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
