"""Parsing of a delivery's body, and the form of an event in the ledger."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.auth_traffic import CONFIRMED, EPOCH, JANE, delete, insert, update
from tests.webhook_events import parsed
from webhook_service.errors import InvalidPayload
from webhook_service.events import AuthEvent, AuthUser, Json, Operation
from webhook_service.inbound.payload import FUTURE_TOLERANCE, from_ledger, to_request_data, version_at

SAMPLES = Path(__file__).parents[2] / "samples"
BOB = UUID("3f1b7a90-0c2d-4e7f-8a55-6b1d2c3e4f50")
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def microseconds(moment: str) -> int:
    return int((datetime.fromisoformat(moment) - datetime.fromtimestamp(0, UTC)).total_seconds() * 10**6 + 0.5)


# Recorded samples

JANE_SMITH = AuthUser(JANE, "jane.smith@example.com", email_confirmed=True)
JANE_DOE = AuthUser(JANE, "jane.doe@example.com", email_confirmed=True)
BOB_CONFIRMED = AuthUser(BOB, "bob@example.com", email_confirmed=True)
BANNED = replace(JANE_SMITH, banned_until=datetime(2126, 10, 29, 14, 18, 43, 649126, UTC))
RECORDED = {
    "a_insert_unconfirmed_email_signup": [("INSERT", replace(JANE_DOE, email_confirmed=False), "30.965485")],
    "b_update_confirm_email": [("UPDATE", JANE_DOE, "32.789781")],
    "c3_update_email_changed": [("UPDATE", JANE_SMITH, "41.833771")],
    "d_update_ban": [("UPDATE", BANNED, "43.649143")],
    "d2_update_unban": [("UPDATE", JANE_SMITH, "45.455928")],
    "f_delete_hard": [("DELETE", AuthUser(BOB, deleted_at=EPOCH), "52.706656")],
    "j_update_sign_in": [("UPDATE", JANE_DOE, "34.608906")],
    "k_all_events_of_admin_create_confirmed": [
        ("INSERT", replace(BOB_CONFIRMED, email_confirmed=False), "52.69804"),
        ("UPDATE", replace(BOB_CONFIRMED, email_confirmed=False), "52.699655"),
        ("UPDATE", BOB_CONFIRMED, "52.703104"),
        ("UPDATE", BOB_CONFIRMED, "52.706656"),
    ],
}


def recorded(name: str) -> list[dict[str, Json]]:
    content = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return content if isinstance(content, list) else [content]


@pytest.mark.parametrize("name", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_recorded_payloads_of_supabase_are_parsed(name: str) -> None:
    """Each payload that was recorded from Supabase becomes the right event."""
    rank = {"INSERT": 0, "UPDATE": 1, "DELETE": 2}
    assert [parsed(payload) for payload in recorded(name)] == [
        AuthEvent("evt-1", Operation(type_), microseconds(f"2026-11-22T14:18:{at}+00:00") * 4 + rank[type_], user)
        for type_, user, at in RECORDED[name]
    ]


@pytest.mark.parametrize("name", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_the_secrets_of_a_row_are_dropped(name: str) -> None:
    """Hashes, tokens and columns that are not mapped are not stored."""
    for payload in recorded(name):
        event = parsed(payload)
        stored = json.dumps(to_request_data(event.user)) + repr(event)
        assert not [canary for canary in ("$2a$10$", "full_name", "Jane Doe", "provider") if canary in stored]


# The form of the payload


def test_unknown_keys_are_tolerated() -> None:
    """Unknown keys and columns are ignored, because a newer Supabase may add keys."""
    odd: Any = {"new": {"deep": [1]}, "": None, "__class__": 1, "self": 2}
    assert parsed(update() | odd | {"record": update()["record"] | odd}) == parsed(update())


def test_only_the_id_is_a_required_column() -> None:
    """A sender may send only the mapped columns of a row, or only the id."""
    assert parsed(update() | {"record": {"id": str(JANE)}, "old_record": None}).user == AuthUser(JANE)


LATEST = version_at(EPOCH + FUTURE_TOLERANCE)
"""The greatest version of a delivery that is signed at EPOCH."""


def test_a_version_of_the_sender_is_used() -> None:
    """An event has the version in its payload, from 0 to a day after the signed time of the delivery."""
    assert [parsed(update() | {"version": version}).version for version in (0, LATEST)] == [0, LATEST]


@pytest.mark.parametrize("version", [LATEST + 1, 2 * LATEST, 4 * 10**18, 2**63 - 1])
@pytest.mark.parametrize("payload", [insert(), update(), delete()], ids=lambda payload: payload["type"])
def test_a_version_far_in_the_future_is_refused(payload: Json, version: int) -> None:
    """A version more than a day after the signed time is refused, because all later events would be stale."""
    with pytest.raises(InvalidPayload, match="version"):
        parsed(payload | {"version": version})


@pytest.mark.parametrize("moment", ["infinity", "2090-01-01T00:00:00+00:00"])
def test_an_updated_at_far_in_the_future_does_not_count(moment: str) -> None:
    """The signed time of the delivery replaces an `updated_at` far in the future in the computed version."""
    assert parsed(update(updated_at=moment)) == parsed(update(updated_at=EPOCH.isoformat()))


def test_without_a_version_it_is_computed_from_the_row() -> None:
    """Without a version in the payload, or with null, the version is computed from the row."""
    assert parsed(update() | {"version": None}) == parsed(update())


# The order of events


def test_the_operations_of_one_moment_are_ordered() -> None:
    """At the same updated_at, an INSERT comes before an UPDATE, and a DELETE comes last."""
    versions = [parsed(operation(at=5)).version for operation in (insert, update, delete)]
    assert versions == sorted(set(versions))


def test_a_later_update_outranks_everything_before_it() -> None:
    """An event outranks any operation with an earlier updated_at, even if the difference is one microsecond."""
    earlier = delete(updated_at="2026-11-22T14:10:38.000001+00:00")
    assert parsed(insert(updated_at="2026-11-22T14:10:38.000002+00:00")).version > parsed(earlier).version


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "1969-12-31T23:59:59+00:00", None], ids=repr)
def test_a_version_fits_the_database(moment: str | None) -> None:
    """A computed version is from 0 to the maximum of a bigint, for any updated_at."""
    assert 0 <= parsed(delete(updated_at=moment, created_at=moment)).version < 2**63


def test_a_row_without_updated_at_is_ordered_by_its_creation() -> None:
    """created_at replaces a missing updated_at, which a row written by hand may lack."""
    assert parsed(update(updated_at=None)).version == parsed(update(updated_at=CONFIRMED)).version


# The ledger

MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC)) | st.sampled_from([FIRST, LAST])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
USERS = st.builds(
    AuthUser,
    id=st.uuids(),
    email=st.none() | TEXTS,
    email_confirmed=st.booleans(),
    employee_number=st.none() | TEXTS,
    is_anonymous=st.booleans(),
    banned_until=MOMENTS,
    deleted_at=MOMENTS,
    names=st.dictionaries(st.sampled_from(["first_name", "last_name"]), TEXTS),
)


@given(st.builds(AuthEvent, TEXTS, st.sampled_from(Operation), st.integers(0, 2**63 - 1), USERS))
def test_the_ledger_keeps_an_event_unchanged(event: AuthEvent) -> None:
    """An event that is read from the ledger equals the stored event."""
    row = {
        "event_id": event.event_id,
        "operation": event.operation,
        "version": event.version,
        "auth_user_id": str(event.user.id),
        "request_data": to_request_data(event.user),
    }
    assert from_ledger(json.loads(json.dumps(row)), {}) == event
