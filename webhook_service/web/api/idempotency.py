"""The header Idempotency-Key. A request that is sent again with its key gets the first answer, and is not repeated.

The key is claimed before the request is carried out, and the answer is kept for a day, without the password or token.
If the process ends in between, the request is carried out again after its lease has ended. This is safe, because no
request of the admin API does harm twice: a creation is refused with `email_taken`, and the others find their work done.
A second temporary password replaces the first, which nobody has seen. Nobody has seen the first of two tokens either. A
second bulk replay changes nothing.
"""

import json
import logging
import re
from collections.abc import Callable
from hashlib import sha256
from uuid import uuid4

from flask import Blueprint, Response, request

from webhook_service.errors import InvalidQuery, KeyReused, RequestUnderWay, ServiceError
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.web.api.body import json_body

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPEATED_HEADER = "Idempotency-Replayed"
"""The header, with the value `true`, of an answer that was given before."""

METHODS = ("POST", "PATCH")
LONGEST_KEY = 255
KEY_PATTERN = r"^[!-~](?:[ -~]*[!-~])?$"
"""Printable ASCII. Servers remove spaces around the value of a header."""

LEASE_SECONDS = 120
"""The lease of a request, longer than any request takes. See `outbound.logins.INTENT_LEASE_SECONDS`."""

CLAIM = "webhook_service.idempotency_claim"
"""The key of the request's claim, {"p_key", "p_lease"}, in the WSGI environment."""


def fingerprint_of_json() -> str:
    """Return the SHA-256 of the request's method, path and JSON body. Whitespace and the order of keys do not count."""
    body = json.dumps(json_body(), sort_keys=True)
    return sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()


def repeat_answers(views: Blueprint, database: Database, fingerprint: Callable[[], str] = fingerprint_of_json) -> None:
    """Claim the key of a request before its view, and keep the final answer. `fingerprint` identifies the request.

    Must be called after `require_admin`, because only an admin may see an answer.
    """

    @views.before_request
    def claim() -> Response | None:
        key = request.headers.get(HEADER)
        if key is None or request.method not in METHODS:
            return None
        if not is_key(key):
            raise InvalidQuery({HEADER: [f"Must be 1 to {LONGEST_KEY} printable ASCII characters."]})
        claim = {"p_key": key, "p_lease": str(uuid4())}
        found = database.call("auth_sync_claim_key_v1", **claim, p_request=fingerprint(), p_lease_seconds=LEASE_SECONDS)
        match found["state"]:
            case "answered":
                return repeated(found["status"], found["body"])
            case "other_request":
                raise KeyReused
            case "under_way":
                raise RequestUnderWay
        request.environ[CLAIM] = claim
        return None

    @views.after_request
    def settle(response: Response) -> Response:
        """Keep a final answer. After any other answer, release the key. An error leaves the claim to its lease."""
        if (claim := request.environ.pop(CLAIM, None)) is not None:
            try:
                if is_final(response):
                    answer = {"p_status": response.status_code, "p_body": without_secrets(response)}
                    database.call("auth_sync_keep_answer_v1", **claim, **answer)
                else:
                    database.call("auth_sync_release_key_v1", **claim)
            except ServiceError as error:
                log.warning("answer not kept", extra={"reason": error.reason})
        return response


def is_key(text: str) -> bool:
    """Return whether a text may be a key."""
    return len(text) <= LONGEST_KEY and re.fullmatch(KEY_PATTERN, text) is not None


def is_final(response: Response) -> bool:
    """Return whether a retry would not help: the answer is not a 5xx, and does not ask for a retry."""
    return response.status_code < 500 and "Retry-After" not in response.headers


def without_secrets(response: Response) -> str:
    """Return the body to repeat, which says that a password, token or secret was shown instead of repeating it."""
    body = response.get_json()
    for secret in ("token", "secret"):
        if f"{secret}_was_shown" in body:
            return json.dumps(body | {secret: None, f"{secret}_was_shown": True})
    people = body.get("employees", []) if "password_was_shown" in body else []
    if all(each.get("temporary_password") is None for each in (body, *people)):
        return response.get_data(as_text=True)
    hidden: dict[str, Json] = {"temporary_password": None}
    shown = hidden if "temporary_password" in body else {"employees": [each | hidden for each in people]}
    return json.dumps(body | shown | {"password_was_shown": True})


def repeated(status: int, body: str) -> Response:
    """Return an answer that was given before."""
    media_type = "application/json" if status < 400 else "application/problem+json"
    headers = {REPEATED_HEADER: "true", "Cache-Control": "no-store"}
    return Response(body, status, headers, content_type=media_type)
