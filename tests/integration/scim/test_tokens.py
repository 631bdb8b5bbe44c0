"""The tokens of directories: created, used, revoked and limited."""

import pytest

from tests.employees import Connection
from webhook_service.errors import BadSetting
from webhook_service.ports import Database
from webhook_service.scim.clients import admit, client_of, create_token, hash_of, revoke, spend, tokens
from webhook_service.scim.values import Client


def test_a_token_names_its_directory(database: Database) -> None:
    """Each token of a directory names the same client. Tokens of other directories name others."""
    okta, second, entra = (create_token(database, name, requested_by="ann") for name in ("okta", "okta", "entra"))
    assert client_of(database, okta.token) == okta.client == second.client == client_of(database, second.token)
    assert okta.client.name == "okta"
    assert client_of(database, entra.token) == entra.client
    assert entra.client.client_id != okta.client.client_id
    assert len({okta.token, second.token, entra.token}) == 3


def test_only_the_hash_is_stored(database: Database, connection: Connection) -> None:
    """No table has a token, and neither the list of tokens nor the representation of a new one shows it."""
    created = create_token(database, "okta", requested_by="ann")
    [row] = connection.execute("select to_jsonb(t)::text as text from auth_sync_scim_tokens t").fetchall()
    assert hash_of(created.token) in row["text"]
    assert created.token not in row["text"] + repr(created) + repr(tokens(database))
    assert hash_of(created.token) not in repr(tokens(database))


@pytest.mark.parametrize("token", ["", "x", "scim_", "scim_" + "A" * 43, "scim_" + "A" * 10000, "\x00", "é", "\ud800"])
def test_a_wrong_token(database: Database, token: str) -> None:
    """A text that is not a token names nobody."""
    create_token(database, "okta", requested_by="ann")
    assert client_of(database, token) is None


def test_a_revoked_token(database: Database) -> None:
    """A revoked token names nobody, and the others of the directory stay valid."""
    first, second = (create_token(database, "okta", requested_by="ann") for _ in range(2))
    assert revoke(database, token_id=first.token_id, requested_by="bob") == 1
    assert revoke(database, token_id=first.token_id, requested_by="bob") == 0
    assert client_of(database, first.token) is None
    assert client_of(database, second.token) is not None
    third = create_token(database, "okta", requested_by="ann")
    assert revoke(database, name="okta", requested_by="bob") == 2
    assert client_of(database, third.token) is None
    assert revoke(database, name="entra", requested_by="bob") == 0
    assert [(each["revoked_at"] is not None, each["revoked_by"]) for each in tokens(database)] == [(True, "bob")] * 3


def test_the_last_use(database: Database, connection: Connection) -> None:
    """The last use of a token is recorded at most once a minute."""
    token = create_token(database, "okta", requested_by="ann").token
    assert tokens(database)[0]["last_used_at"] is None
    client_of(database, token)
    used = tokens(database)[0]["last_used_at"]
    assert used is not None
    client_of(database, token)
    assert tokens(database)[0]["last_used_at"] == used
    connection.execute("update auth_sync_scim_tokens set last_used_at = now() - interval '61 seconds'")
    client_of(database, token)
    assert tokens(database)[0]["last_used_at"] > used


def test_tokens_are_audited(database: Database, connection: Connection) -> None:
    """The audit has the admin who created or revoked a token, and the directory, but not the token."""
    created = create_token(database, "okta", requested_by="ann")
    revoke(database, name="okta", requested_by="bob")
    rows = connection.execute("select who, action, details, result from auth_sync_audit order by id").fetchall()
    details = {"directory": "okta", "token_id": created.token_id}
    assert rows == [
        {"who": "ann", "action": "create a SCIM token", "details": details, "result": "done"},
        {"who": "bob", "action": "revoke a SCIM token", "details": details, "result": "done"},
    ]


@pytest.mark.parametrize("name", ["", "Okta", "ok ta", "-okta", "o" * 64, "okta\n", "ökta"])
def test_a_bad_name(database: Database, name: str) -> None:
    """The name of a directory has only lower-case letters, digits and . _ -."""
    with pytest.raises(BadSetting, match="--name"):
        create_token(database, name, requested_by="ann")
    assert tokens(database) == []


def test_the_rate(database: Database, connection: Connection) -> None:
    """A directory may send the requests of a minute at once, and then at the rate. A refused request counts nothing."""
    okta, entra = (create_token(database, name, requested_by="ann").client for name in ("okta", "entra"))

    def passes(seconds: int) -> None:
        connection.execute(
            "update auth_sync_scim_clients set refilled_at = refilled_at - make_interval(secs => %s)", [seconds]
        )

    assert [spend(database, okta, 3, 6), spend(database, okta, 3, 6)] == [0, 0]
    assert 9 <= spend(database, okta, 1, 6) <= 10
    assert 19 <= spend(database, okta, 2, 6) <= 20
    assert spend(database, entra, 6, 6) == 0
    passes(20)
    assert [spend(database, okta, 2, 6), spend(database, okta, 1, 6) > 0] == [0, True]
    passes(3600)
    assert [spend(database, okta, 1000, 6), spend(database, okta, 1, 6) > 0] == [0, True]
    assert spend(database, Client(99, "nobody"), 1, 6) == 0


def test_a_request_is_admitted_and_counted_in_one_call(database: Database) -> None:
    """A request with a valid token counts, and has to wait beyond the rate. Another token names nobody."""
    okta = create_token(database, "okta", requested_by="ann")
    assert [admit(database, okta.token, 2) for _ in range(2)] == [(okta.client, 0)] * 2
    client, wait = admit(database, okta.token, 2)
    assert (client, wait > 0) == (okta.client, True)
    assert [admit(database, token, 2) for token in ("scim_" + "A" * 43, "x")] == [(None, 0)] * 2
    revoke(database, name="okta", requested_by="bob")
    assert admit(database, okta.token, 2) == (None, 0)
