"""Checks SUPABASE_SERVICE_ROLE_KEY without a request.

Supabase has two kinds of keys (https://supabase.com/docs/guides/api/api-keys): `sb_publishable_...` and
`sb_secret_...`, and JWTs with the claims `role` (anon or service_role), `ref` (the project) and `exp`.
"""

import base64
import binascii
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

from webhook_service.doctor.findings import Finding, note, ok, wrong
from webhook_service.events import Json

WHERE = "copy the service_role key or a secret key from Project Settings > API Keys to SUPABASE_SERVICE_ROLE_KEY"


def key(url: str, key: str, now: datetime) -> list[Finding]:
    """Check the kind, the project and the expiry of the key, as far as the key contains them."""
    if key.startswith("sb_secret_"):
        return [ok("key", "it is a secret key")]
    if key.startswith("sb_publishable_"):
        return [wrong("key", "SUPABASE_SERVICE_ROLE_KEY is the publishable key, which has no privileges here", WHERE)]
    claims = claims_of(key)
    if claims is None:
        return [note("key", "SUPABASE_SERVICE_ROLE_KEY is neither a JWT nor an sb_secret_ key", WHERE)]
    findings = []
    role, ref, host = claims.get("role"), claims.get("ref"), urlsplit(url).hostname or ""
    if role != "service_role":
        kind = "the anon (public) key" if role == "anon" else "a JWT without the role service_role"
        findings.append(wrong("key", f"SUPABASE_SERVICE_ROLE_KEY is {kind}", WHERE))
    if isinstance(expires := claims.get("exp"), int | float) and expires <= now.timestamp():
        findings.append(wrong("key", f"SUPABASE_SERVICE_ROLE_KEY has expired{date_of(expires)}", WHERE))
    if isinstance(ref, str) and host.endswith((".supabase.co", ".supabase.in")) and host.split(".")[0] != ref:
        says = "SUPABASE_SERVICE_ROLE_KEY belongs to another project than SUPABASE_URL"
        findings.append(wrong("key", says, "use the URL and the key of one project"))
    return findings or [ok("key", "it is a service_role key")]


def claims_of(token: str) -> dict[str, Json] | None:
    """Return the unverified claims of a JWT, or None if the text is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def date_of(seconds: float) -> str:
    """Return ` on 2026-01-31`, or an empty text if the time is out of range."""
    try:
        return f" on {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return ""
