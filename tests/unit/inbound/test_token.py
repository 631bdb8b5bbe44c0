"""The static tokens that are accepted and refused."""

import pytest
from itsdangerous import URLSafeSerializer

from tests.unit.signed_request import BODY, GOOD, NEW_KEY, NOW, SECRETS
from webhook_service.errors import BadSignature
from webhook_service.inbound.signature import TOKEN_HEADER, Secret, mint_token, verify_token


@pytest.mark.parametrize("position", [0, 1], ids=["newest", "oldest"])
def test_a_token_of_each_secret_is_accepted(position: int) -> None:
    """A token is accepted during a rotation as long as its secret is listed."""
    token = mint_token(SECRETS[position:], "dashboard")
    assert verify_token(SECRETS, {TOKEN_HEADER: token}, BODY, now=NOW).sent_at == NOW


def test_a_token_is_signed_with_the_newest_secret() -> None:
    """A token that is minted while two secrets are listed stays valid after the older secret is removed."""
    token = mint_token(SECRETS, "dashboard")
    assert verify_token(SECRETS[:1], {TOKEN_HEADER: token}, BODY, now=NOW).body == BODY


def test_a_repeated_body_is_one_event() -> None:
    """The event id of a delivery with a token derives from the body."""
    headers = {TOKEN_HEADER: mint_token(SECRETS, "dashboard")}
    ids = [verify_token(SECRETS, headers, body, now=NOW).event_id for body in (BODY, BODY, BODY + b" ")]
    assert ids[0] == ids[1] != ids[2]


TOKEN = mint_token(SECRETS, "dashboard")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "é",
        TOKEN[:-1],
        "x" + TOKEN,
        TOKEN.split(".")[0],
        "." + TOKEN.split(".")[1],
        mint_token([Secret(b"f" * 32)], "dashboard"),
        URLSafeSerializer(NEW_KEY, salt="another").dumps({"webhook": "dashboard"}),
        URLSafeSerializer(NEW_KEY, salt="static-token").dumps({"webhook": "dashboard"}),  # SHA-1
        GOOD,
    ],
    ids=["empty", "dot", "not ASCII", "cut", "prefixed", "unsigned", "no payload", "another secret",
         "another salt", "another digest", "a signature"],
)  # fmt: skip
def test_a_forged_token_is_refused(token: str) -> None:
    """A token that no configured secret has signed as a token is refused."""
    with pytest.raises(BadSignature) as caught:
        verify_token(SECRETS, {TOKEN_HEADER: token}, BODY, now=NOW)
    assert caught.value.reason == "wrong_token"


def test_a_missing_token_is_refused() -> None:
    """A missing token is refused as a wrong token."""
    with pytest.raises(BadSignature, match="token"):
        verify_token(SECRETS, {}, BODY, now=NOW)
