"""Interoperability with the reference library of Standard Webhooks."""

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


def test_the_published_vector_is_signed() -> None:
    """`sign` returns the headers of the published vector."""
    assert sign(SECRETS[0], EVENT_ID, PAYLOAD.encode(), now=SENT_AT) == {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: SIGNATURE,
    }


def test_the_reference_library_signs_the_published_vector() -> None:
    """The installed library returns the same signature for the published vector, so the vector is copied correctly."""
    assert Webhook(SECRET).sign(EVENT_ID, SENT_AT, PAYLOAD) == SIGNATURE


def test_the_published_vector_is_verified() -> None:
    """`verify` accepts the published headers at the published time."""
    headers = {ID_HEADER: EVENT_ID, TIMESTAMP_HEADER: str(TIMESTAMP), SIGNATURE_HEADER: SIGNATURE}
    assert verify(SECRETS, headers, PAYLOAD.encode(), now=SENT_AT).sent_at == SENT_AT


@pytest.mark.parametrize("payload", BODIES.values(), ids=BODIES.keys())
def test_a_signature_of_the_reference_library_is_verified(payload: str) -> None:
    """`verify` accepts any body that the library signs."""
    headers = {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: Webhook(SECRET).sign(EVENT_ID, SENT_AT, payload),
    }
    assert verify(SECRETS, headers, payload.encode(), now=SENT_AT).body == payload.encode()


@pytest.mark.parametrize("payload", BODIES.values(), ids=BODIES.keys())
def test_the_reference_library_verifies_a_signature(payload: str) -> None:
    """The library accepts any body that `sign` signs. The library reads the clock, so the body is signed now."""
    headers = sign(SECRETS[0], EVENT_ID, payload.encode(), now=datetime.now(UTC))
    Webhook(SECRET).verify(payload, headers, json_parse=False)  # raises if the signature does not match


def test_unknown_versions_are_skipped() -> None:
    """The service and the library both skip a signature of another version in the list."""
    headers = sign(SECRETS[0], EVENT_ID, PAYLOAD.encode(), now=datetime.now(UTC))
    headers[SIGNATURE_HEADER] = f"v1a,{SIGNATURE[3:]} {headers[SIGNATURE_HEADER]}"
    Webhook(SECRET).verify(PAYLOAD, headers)
    assert verify(SECRETS, headers, PAYLOAD.encode(), now=datetime.now(UTC)).event_id == EVENT_ID


def test_another_secret_of_the_reference_library_is_refused() -> None:
    """A signature of the library with another secret is refused."""
    other = Webhook(b"another secret of 32 bytes length")
    headers = {
        ID_HEADER: EVENT_ID,
        TIMESTAMP_HEADER: str(TIMESTAMP),
        SIGNATURE_HEADER: other.sign(EVENT_ID, SENT_AT, PAYLOAD),
    }
    with pytest.raises(BadSignature, match="wrong_signature"):
        verify(SECRETS, headers, PAYLOAD.encode(), now=SENT_AT)
