"""The forms of webhook secrets. Secrets are never shown."""

import base64
from collections.abc import Callable

import pytest

from tests.unit.signed_request import NEW, NEW_KEY, OLD, OLD_KEY, SECRETS, written
from webhook_service.inbound.signature import Secret, parse_secrets


@pytest.mark.parametrize("text", [NEW, f"v1,{NEW}", f"  {NEW}\n"], ids=["whsec_", "v1,whsec_", "with blanks"])
def test_a_secret_has_two_forms(text: str) -> None:
    """A secret may have the form `whsec_...` of the spec or `v1,whsec_...` of Supabase, and both are the same key."""
    assert parse_secrets(text) == (Secret(NEW_KEY),)


@pytest.mark.parametrize("separator", [" ", ",", "|", ", ", " | ", "\n"], ids=repr)
@pytest.mark.parametrize("prefix", ["", "v1,"], ids=["whsec_", "v1,whsec_"])
def test_several_secrets_keep_their_order(prefix: str, separator: str) -> None:
    """Several secrets may be separated by a space, a comma or `|` (as in Supabase), and keep their order."""
    assert parse_secrets(f"{prefix}{NEW}{separator}{prefix}{OLD}") == (Secret(NEW_KEY), Secret(OLD_KEY))


@pytest.mark.parametrize("length", [24, 25, 63, 64])
def test_a_key_has_24_to_64_bytes(length: int) -> None:
    """A key may have from 24 to 64 bytes, as in the spec."""
    assert parse_secrets(written(b"k" * length)) == (Secret(b"k" * length),)


BAD_SECRETS = {
    "too short": written(b"S" * 23),
    "too long": written(b"S" * 65),
    "no key": "whsec_",
    "no prefix": base64.b64encode(b"S" * 32).decode(),
    "another prefix": "whpk_" + base64.b64encode(b"S" * 32).decode(),
    "prefix in capitals": NEW.replace("whsec_", "WHSEC_"),
    "prefix twice": "whsec_" + NEW,
    "another version": "v1a," + NEW,
    "not base64": "whsec_U1NT!U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT",
    "base64 of URLs": "whsec_" + base64.urlsafe_b64encode(b"\xff" * 33).decode(),
    "padding cut off": written(b"S" * 32).rstrip("="),
    "padding inside": "whsec_U1NT=U1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT",
    "not ASCII": "whsec_U1NTé1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NTU1NT",
}


@pytest.mark.parametrize("bad", BAD_SECRETS.values(), ids=BAD_SECRETS.keys())
def test_an_unusable_secret_is_refused(bad: str) -> None:
    """An unusable secret among valid secrets is refused, and the error names its position."""
    with pytest.raises(ValueError, match=r"^secret \d of \d"):
        parse_secrets(f"{NEW}|{bad}")


@pytest.mark.parametrize("bad", BAD_SECRETS.values(), ids=BAD_SECRETS.keys())
def test_the_error_never_shows_the_secret(bad: str) -> None:
    """The error for an unusable secret does not contain any four consecutive characters of the encoded key."""
    with pytest.raises(ValueError, match="secret") as caught:
        parse_secrets(f"{bad} {OLD}")
    encoded = bad.rpartition("_")[2]
    assert not [part for part in (encoded[at : at + 4] for at in range(len(encoded) - 3)) if part in str(caught.value)]


@pytest.mark.parametrize("empty", ["", " ", "|", "v1", "v1,", ", ,"], ids=repr)
def test_no_secret_at_all_is_refused(empty: str) -> None:
    """A text that has only separators and versions is refused, because it holds no secret."""
    with pytest.raises(ValueError, match="holds no secret"):
        parse_secrets(empty)


@pytest.mark.parametrize("show", [repr, str, "{}".format], ids=["repr", "str", "format"])
def test_a_secret_is_never_shown(show: Callable[[object], str]) -> None:
    """Neither a secret nor an object that holds a secret shows the key."""
    assert "nnn" not in show(SECRETS)
