"""A request with a valid signature, and the secrets that verify the signature."""

import base64
from datetime import UTC, datetime

from webhook_service.inbound.signature import SIGNATURE_HEADER, parse_secrets, sign

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = '{"name": "Zoë"}'.encode()


def written(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


NEW_KEY, OLD_KEY = b"n" * 32, b"o" * 32
NEW, OLD = written(NEW_KEY), written(OLD_KEY)
SECRETS = parse_secrets(f"{NEW} {OLD}")
SIGNED = sign(SECRETS[0], "evt-1", BODY, now=NOW)
GOOD = SIGNED[SIGNATURE_HEADER]
FORGED = "v1," + base64.b64encode(b"f" * 32).decode()
