"""Doctor's check of the key. The finding names each kind of wrong key in words."""

import base64
import json
from typing import Any

import pytest

from tests.auth_traffic import EPOCH
from webhook_service.doctor.findings import Level
from webhook_service.doctor.key_checks import key

URL = "https://abcdefgh.supabase.co"
CLAIMS: dict[str, Any] = {"iss": "supabase", "ref": "abcdefgh", "role": "service_role", "exp": EPOCH.timestamp() + 1}


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(CLAIMS | claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.signature"


@pytest.mark.parametrize(("text", "url"), [("sb_secret_x", URL), (jwt(), URL), (jwt(), "http://127.0.0.1:54321")])
def test_a_right_key_is_ok(text: str, url: str) -> None:
    """A secret key, and a service_role key of the project, are ok. A local address names no project to compare."""
    assert [finding.level for finding in key(url, text, EPOCH)] == [Level.OK]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sb_publishable_x", "the publishable key"),
        (jwt(role="anon"), "the anon (public) key"),
        (jwt(role="authenticated"), "without the role service_role"),
        (jwt(exp=EPOCH.timestamp() - 86400), "has expired on "),
        (jwt(exp=1e300, role="anon"), "anon"),
        (jwt(exp=-1e300), "has expired"),
        (jwt(ref="other"), "to another project than SUPABASE_URL"),
    ],
)
def test_a_wrong_key_is_named(text: str, words: str) -> None:
    """The finding says which kind of key is set and where the right key is. It does not contain the key."""
    [finding] = key(URL, text, EPOCH)
    assert (finding.level, words in finding.says, finding.todo != "") == (Level.WRONG, True, True)
    assert text not in finding.says + finding.todo


@pytest.mark.parametrize("text", ["secret", "a.b.c", "a.!!!.c", "a.W10.c"])
def test_another_text_is_noted(text: str) -> None:
    """If the text is not a key of either kind, the finding is a note."""
    assert [finding.level for finding in key(URL, text, EPOCH)] == [Level.NOTE]
