"""Step 1: raw body and headers -> Delivery. Verifies the signature of Standard Webhooks.

The headers are `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature` (one or more
`v1,<base64>`). The signature is the HMAC-SHA256 of `id.timestamp.body`. Source:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

from webhook_service.errors import BadSignature
from webhook_service.events import Delivery

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOKEN_HEADER = "x-webhook-token"  # noqa: S105 (a name)

TOLERANCE_SECONDS = 300
"""The largest difference between the signed time and this machine's clock. The spec's libraries use the same value."""

# An event id has no dot, because dots separate the parts of the signed content. Only ids of actions have a colon.
EVENT_ID = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
# Finds v1 signatures, which a space separates in the spec, and ", " in Supabase's Auth Hooks. Skips other versions.
V1_SIGNATURE = re.compile(r"(?:^|[\s,])v1,([A-Za-z0-9+/]{43}=)(?=$|[\s,])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing key of 24 to 64 bytes. Its representation does not show the key."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Secret":
        """Parse `whsec_<base64>`. Raises ValueError, whose text does not contain the secret."""
        encoded = text.removeprefix("whsec_")
        if encoded == text:
            raise ValueError("must begin with whsec_")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError("must be whsec_ and base64") from None
        if not 24 <= len(key) <= 64:
            raise ValueError(f"must hold 24 to 64 bytes, holds {len(key)}")
        return cls(key)

    def sign(self, content: bytes) -> bytes:
        """Return the HMAC-SHA256 of the content."""
        return hmac.digest(self.key, content, "sha256")


def parse_secrets(text: str) -> tuple[Secret, ...]:
    """Parse one or more secrets, newest first, which a space, a comma or `|` separates.

    Each secret is `whsec_...` or `v1,whsec_...`. Raises ValueError, which names the position of a bad secret and the
    reason, but not the secret.
    """
    words = [word for word in re.split(r"[\s,|]+", text) if word not in ("", "v1")]
    if not words:
        raise ValueError("holds no secret")
    secrets = []
    for position, word in enumerate(words, start=1):
        try:
            secrets.append(Secret.parse(word))
        except ValueError as error:
            raise ValueError(f"secret {position} of {len(words)} {error}") from None
    return tuple(secrets)


def is_same(ours: bytes, theirs: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(ours, theirs)


def signed_content(event_id: str, timestamp: str, body: bytes) -> bytes:
    """Return the bytes to sign: `id.timestamp.body`."""
    return f"{event_id}.{timestamp}.".encode() + body


def sign(secret: Secret, event_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """Return the three headers that sign a body. Raises ValueError for an event id that `verify` would refuse."""
    if not EVENT_ID.fullmatch(event_id):
        raise ValueError("an event id has 1 to 200 letters, digits, '_' and '-'")
    timestamp = str(int(now.timestamp()))
    signature = base64.b64encode(secret.sign(signed_content(event_id, timestamp, body))).decode()
    return {ID_HEADER: event_id, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"v1,{signature}"}


def sign_with_each(secrets: Sequence[Secret], event_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """Return the three headers, with a signature of each secret. A receiver that knows one of them accepts the body.

    Raises ValueError for an event id that `verify` would refuse.
    """
    signed = [sign(secret, event_id, body, now=now) for secret in secrets]
    return signed[0] | {SIGNATURE_HEADER: " ".join(headers[SIGNATURE_HEADER] for headers in signed)}


def verify(secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes, *, now: datetime) -> Delivery:
    """Verify the signature of a body. No other function makes a signed Delivery.

    The names in `headers` are in lower case. Raises BadSignature.
    """
    event_id, timestamp, signatures = (headers.get(name) for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))
    if event_id is None or timestamp is None or signatures is None:
        names = f"{ID_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER}"
        raise BadSignature("missing_signature", f"The headers {names} are required.")
    if not EVENT_ID.fullmatch(event_id):
        raise BadSignature("malformed_id", f"{ID_HEADER} must be 1 to 200 letters, digits, '_' and '-'.")
    if not TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("malformed_timestamp", f"{TIMESTAMP_HEADER} must be whole seconds since 1970.")
    candidates = [base64.b64decode(found) for found in V1_SIGNATURE.findall(signatures)]
    if not candidates:
        raise BadSignature("malformed_signature", f"{SIGNATURE_HEADER} does not hold a v1 signature.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        detail = f"{TIMESTAMP_HEADER} is more than {TOLERANCE_SECONDS} s away from this service's clock."
        raise BadSignature("timestamp_out_of_tolerance", detail)
    content = signed_content(event_id, timestamp, body)
    # Each secret needs one digest, however many signatures there are: anyone can send a long body with many signatures.
    signed = [secret.sign(content) for secret in secrets]
    if not any(is_same(ours, theirs) for ours in signed for theirs in candidates):
        raise BadSignature("wrong_signature", "No signature matches this body with any of the configured secrets.")
    return Delivery(event_id, datetime.fromtimestamp(int(timestamp), UTC), body)


def _token_serializer(secrets: Sequence[Secret]) -> URLSafeSerializer:
    oldest_first = [secret.key for secret in reversed(secrets)]  # itsdangerous signs with the last key
    return URLSafeSerializer(oldest_first, salt="static-token", signer_kwargs={"digest_method": hashlib.sha256})


def mint_token(secrets: Sequence[Secret], name: str) -> str:
    """Return a token for the static header of a webhook from Supabase's dashboard. `name` is the webhook's name."""
    return str(_token_serializer(secrets).dumps({"webhook": name}))


def verify_token(secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes, *, now: datetime) -> Delivery:
    """Verify the token of a webhook that cannot sign.

    A token is weaker than a signature, because it does not prove the body or the time. The event id derives from the
    body, so a body that is sent twice is one event. Raises BadSignature.
    """
    try:
        _token_serializer(secrets).loads(headers.get(TOKEN_HEADER, ""))
    except BadData as error:
        raise BadSignature("wrong_token", f"{TOKEN_HEADER} is not a token of this service.") from error
    return Delivery(f"body-{hashlib.sha256(body).hexdigest()}", now, body)
