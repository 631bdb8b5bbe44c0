"""We and the reference library of Standard Webhooks understand each other."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from webhook_service.errors import BadSignature
from webhook_service.inbound.signature import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    parse_secrets,
    sign,
    verify,
)

# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
PAYLOAD = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

SENT_AT = datetime.fromtimestamp(TIMESTAMP, UTC)
SECRETS = parse_secrets(SECRET)
BODIES = {
    "published": PAYLOAD,
    "not ASCII": '{"name": "Zoë 🦊"}',
    "blanks": '\n { "a" :\t[ 1 , null ] }\r\n',
    "empty": "",
    "long": json.dumps({"record": "x" * 20_000}),
}


def test_we_sign_the_published_vector() -> None:
    """Our three headers are those of the published vector."""
    assert sign(SECRETS[0], EVENT_ID, PAYLOAD.encode(), now=SENT_AT) == {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: SIGNATURE,
    }


def test_the_reference_library_signs_the_published_vector() -> None:
    """The vector is what the installed library signs, so it is copied rightly."""
    assert Webhook(SECRET).sign(EVENT_ID, SENT_AT, PAYLOAD) == SIGNATURE


def test_we_verify_the_published_vector() -> None:
    """The published headers are believed at their time."""
    headers = {ID_HEADER: EVENT_ID, TIMESTAMP_HEADER: str(TIMESTAMP), SIGNATURE_HEADER: SIGNATURE}
    assert verify(SECRETS, headers, PAYLOAD.encode(), now=SENT_AT).sent_at == SENT_AT


@pytest.mark.parametrize("payload", BODIES.values(), ids=BODIES.keys())
def test_what_the_reference_library_signs_verifies_here(payload: str) -> None:
    """Any body that it signs, we take."""
    headers = {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: Webhook(SECRET).sign(EVENT_ID, SENT_AT, payload),
    }
    assert verify(SECRETS, headers, payload.encode(), now=SENT_AT).body == payload.encode()


@pytest.mark.parametrize("payload", BODIES.values(), ids=BODIES.keys())
def test_what_we_sign_verifies_in_the_reference_library(payload: str) -> None:
    """Any body that we sign, it takes; it reads the clock itself, so this is signed now."""
    headers = sign(SECRETS[0], EVENT_ID, payload.encode(), now=datetime.now(UTC))
    Webhook(SECRET).verify(payload, headers, json_parse=False)  # raises where it does not fit


def test_both_skip_the_versions_that_they_do_not_know() -> None:
    """A list of signatures with another version before ours is understood by both."""
    headers = sign(SECRETS[0], EVENT_ID, PAYLOAD.encode(), now=datetime.now(UTC))
    headers[SIGNATURE_HEADER] = f"v1a,{SIGNATURE[3:]} {headers[SIGNATURE_HEADER]}"
    Webhook(SECRET).verify(PAYLOAD, headers)
    assert verify(SECRETS, headers, PAYLOAD.encode(), now=datetime.now(UTC)).event_id == EVENT_ID


def test_another_secret_of_the_reference_library_is_refused() -> None:
    """Its signatures under a secret that is not ours do not verify here."""
    other = Webhook(b"another secret of 32 bytes length")
    headers = {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: other.sign(EVENT_ID, SENT_AT, PAYLOAD),
    }
    with pytest.raises(BadSignature, match="wrong_signature"):
        verify(SECRETS, headers, PAYLOAD.encode(), now=SENT_AT)
