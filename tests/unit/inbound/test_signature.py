"""The requests that are accepted and refused because of their Standard Webhooks signature."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

import pytest

from tests.unit.signed_request import BODY, FORGED, GOOD, NEW_KEY, NOW, SECRETS, SIGNED
from webhook_service.errors import BadSignature
from webhook_service.events import Delivery
from webhook_service.inbound.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign, verify


def reason_of(headers: dict[str, str], body: bytes = BODY, *, now: datetime = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        verify(SECRETS, headers, body, now=now)
    return caught.value.reason


def test_a_delivery_does_not_show_its_body() -> None:
    """The repr of a delivery leaves out the body, which holds personal data."""
    assert "Zo" not in repr(verify(SECRETS, SIGNED, BODY, now=NOW))


def test_the_signature_follows_the_spec() -> None:
    """A signature is `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`."""
    digest = hmac.new(NEW_KEY, b"evt-1.%d." % NOW.timestamp() + BODY, hashlib.sha256).digest()
    assert SIGNED[SIGNATURE_HEADER].removeprefix("v1,") == base64.b64encode(digest).decode()


def test_a_correctly_signed_request_becomes_a_delivery() -> None:
    """The delivery has the signed id and time, and exactly the signed bytes."""
    assert verify(SECRETS, SIGNED, BODY, now=NOW + timedelta(seconds=3)) == Delivery("evt-1", NOW, BODY)


@pytest.mark.parametrize("position", [0, 1], ids=["newest", "oldest"])
def test_each_of_several_secrets_verifies(position: int) -> None:
    """During a rotation, a sender may use any of the secrets."""
    headers = sign(SECRETS[position], "evt-1", BODY, now=NOW)
    assert verify(SECRETS, headers, BODY, now=NOW).event_id == "evt-1"


def test_a_removed_secret_does_not_verify() -> None:
    """After a rotation, a signature of the old secret is refused."""
    headers = sign(SECRETS[1], "evt-1", BODY, now=NOW)
    with pytest.raises(BadSignature, match="wrong_signature"):
        verify(SECRETS[:1], headers, BODY, now=NOW)


@pytest.mark.parametrize(
    "signatures",
    [
        f"{FORGED} {GOOD}",
        f"{GOOD} {FORGED}",
        f"{FORGED}, {GOOD}",
        f"{FORGED},{GOOD}",
        f"{GOOD},{FORGED}",
        f"{FORGED}  {GOOD} ",
        f"v1a,{'A' * 86}== {GOOD}",
        f"{GOOD} v2,anything",
        f"v2,{FORGED[3:]}, {GOOD}",
        f"v1,tooshort= {GOOD}",
        f"rubbish {GOOD}",
    ],
    ids=["last", "first", "comma and blank", "comma", "comma, first", "blanks", "v1a", "v2 after", "v2 before",
         "broken", "rubbish"],
)  # fmt: skip
def test_one_good_signature_among_several_is_enough(signatures: str) -> None:
    """One valid signature among several is enough. Spaces or commas separate them, and invalid ones are skipped."""
    assert verify(SECRETS, SIGNED | {SIGNATURE_HEADER: signatures}, BODY, now=NOW).event_id == "evt-1"


@pytest.mark.parametrize(
    "version", ["v1a,", "v2,", "V1,", "v11,", "xv1,", "1,", "v1.", "v1:", "", "v1, ", "v1,,"], ids=repr
)
def test_only_version_1_counts(version: str) -> None:
    """A correct digest under another version is not a signature."""
    headers = SIGNED | {SIGNATURE_HEADER: version + GOOD.removeprefix("v1,")}
    assert reason_of(headers) == "malformed_signature"


@pytest.mark.parametrize("seconds", [-300, -299.5, 0, 299.5, 300])
def test_the_clocks_may_differ_by_five_minutes(seconds: float) -> None:
    """A signed time up to five minutes before or after the service's clock is accepted."""
    assert verify(SECRETS, SIGNED, BODY, now=NOW + timedelta(seconds=seconds)).sent_at == NOW


@pytest.mark.parametrize("seconds", [-301, -300.001, 300.001, 301, 10**9, -(10**9)])
def test_a_replayed_or_future_request_is_refused(seconds: float) -> None:
    """A request with a valid signature is refused if its time differs by more than five minutes."""
    assert reason_of(SIGNED, now=NOW + timedelta(seconds=seconds)) == "timestamp_out_of_tolerance"


@pytest.mark.parametrize("missing", [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER])
def test_each_header_is_required(missing: str) -> None:
    """A request that lacks one of the three headers is refused as not signed."""
    assert reason_of({name: value for name, value in SIGNED.items() if name != missing}) == "missing_signature"


MALFORMED = {
    ID_HEADER: ("malformed_id", ["", " ", "evt.1", "evt 1", "é", "evt-1\n", "e" * 201, "\x00", "evt/1", "٣", "\udcff"]),
    TIMESTAMP_HEADER: (
        "malformed_timestamp",
        ["", " ", "now", "-1", "+1", "1.5", "1e9", "٣", "²", "1" * 13, "1" * 5000, "0x1", "1_0", "nan", "1\n", " 1"],
    ),
    SIGNATURE_HEADER: (
        "malformed_signature",
        ["", " ", ",", "v1", "v1,", "v1,=", "v1,é", "v1,####", GOOD[:-1], GOOD + "=", GOOD + "A", f"v1,{'A' * 40}",
         "v1," * 1000, f"v1,{'A' * 100_000}", "\x00", "v1,\udcff"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        pytest.param(header, value, reason, id=f"{header}-{position}")
        for header, (reason, values) in MALFORMED.items()
        for position, value in enumerate(values)
    ],
)
def test_a_malformed_header_is_refused_with_its_own_reason(header: str, value: str, reason: str) -> None:
    """A malformed header raises BadSignature with a reason that names the header."""
    assert reason_of(SIGNED | {header: value}) == reason


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY + b" "),
        ({}, BODY[:-1]),
        ({}, b""),
        ({ID_HEADER: "evt-2"}, BODY),
        ({TIMESTAMP_HEADER: str(int(NOW.timestamp()) + 1)}, BODY),
        ({TIMESTAMP_HEADER: "0" + SIGNED[TIMESTAMP_HEADER]}, BODY),
        ({SIGNATURE_HEADER: FORGED}, BODY),
        ({ID_HEADER: "evt-1-1"}, BODY),
    ],
    ids=["longer body", "shorter body", "no body", "id", "timestamp", "timestamp's writing", "signature", "longer id"],
)
def test_a_changed_request_is_refused(changed: dict[str, str], body: bytes) -> None:
    """A change of any byte of the id, the time or the body is detected."""
    assert reason_of(SIGNED | changed, body) == "wrong_signature"


def test_without_secrets_nothing_verifies() -> None:
    """With an empty list of secrets, every request is refused."""
    with pytest.raises(BadSignature, match="wrong_signature"):
        verify((), SIGNED, BODY, now=NOW)


@pytest.mark.parametrize("event_id", ["", "a.b", "a b", "é", "e" * 201, "a\r\nx: y"], ids=repr)
def test_a_malformed_event_id_is_not_signed(event_id: str) -> None:
    """`sign` raises ValueError for an event id that `verify` would refuse."""
    with pytest.raises(ValueError, match="event id"):
        sign(SECRETS[0], event_id, BODY, now=NOW)
