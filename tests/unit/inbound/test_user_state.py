"""The names, number, e-mail, ban and deletion that are read from an auth user's row, in all forms."""

from datetime import UTC, datetime

import pytest

from tests.auth_traffic import CONFIRMED, EPOCH, JANE, delete, update
from tests.webhook_events import parse_bytes, parsed
from webhook_service.demo.traffic import body_of
from webhook_service.events import AuthUser, Json

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def user_of(**columns: Json) -> AuthUser:
    return parsed(update(**columns)).user


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        ["first_name"],
        "first_name",
        7,
        True,
        {},
        {"first_name": {"a": 1}},
        {"first_name": ["Jane"]},
        {"first_name": 7},
        {"first_name": True},
        {"first_name": None},
        {"first_name": ""},
        {"first_name": " \t\n"},
        {"first_name": "x" * 256},
        {"first_name": "x" * 500_000},
        {"first_name": 10**4000},
        {"first_name": 1e308},
        {"employee_number": "E-1"},
        {"email": "mallory@example.com", "deleted_at": CONFIRMED, "id": "x"},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_user_metadata_never_fails_an_event(metadata: Json) -> None:
    """raw_user_meta_data may have any shape, and a name that is not usable is left out."""
    assert user_of(raw_user_meta_data=metadata) == AuthUser(JANE)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 4000, b"9" * 5000, b"0.%s1" % (b"0" * 9000)], ids=len)
def test_a_huge_number_in_a_users_metadata_never_fails_an_event(number: bytes) -> None:
    """An event is accepted if user_metadata has a number of 131,072 digits, the maximum of jsonb."""
    body = body_of(update(raw_user_meta_data={"first_name": "#"})).replace(b'"#"', number)
    assert parse_bytes(body).user == AuthUser(JANE)


@pytest.mark.parametrize(
    ("name", "taken"),
    [("Zoë", "Zoë"), ("  Jane ", "Jane"), ("x" * 255, "x" * 255), ("李", "李"), ("🦊", "🦊")],
    ids=repr,
)
def test_a_usable_name_is_mapped(name: str, taken: str) -> None:
    """A name is trimmed, and may have up to 255 characters."""
    assert user_of(raw_user_meta_data={"first_name": name}).names == {"first_name": taken}


def test_names_come_from_the_configured_keys() -> None:
    """Each configured column gets the value of its configured key."""
    row = update(raw_user_meta_data={"given": "Jane", "first_name": "no", "family": "Doe"})
    assert parsed(row, {"first_name": "given", "last_name": "family"}).user.names == {
        "first_name": "Jane",
        "last_name": "Doe",
    }


@pytest.mark.parametrize(
    ("number", "taken"),
    [("E-1", "E-1"), (" E-1 ", "E-1"), (7, "7"), (True, None), (7.0, None), (None, None), ({}, None), ("", None),
     ("9" * 256, None), (10**300, None)],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_the_employee_number_is_a_text_or_a_whole_number(number: Json, taken: str | None) -> None:
    """The employee number is a text or an integer in raw_app_meta_data. Any other value is ignored."""
    assert user_of(raw_app_meta_data={"employee_number": number}).employee_number == taken


@pytest.mark.parametrize("metadata", [None, [], "E-1", 7], ids=repr)
def test_app_metadata_may_have_any_shape(metadata: Json) -> None:
    """raw_app_meta_data that is not an object does not hold an employee number."""
    assert user_of(raw_app_meta_data=metadata).employee_number is None


@pytest.mark.parametrize(
    ("email", "taken"), [(None, None), ("", None), (" ", None), (" a@example.com ", "a@example.com")]
)
def test_an_empty_email_is_none(email: str | None, taken: str | None) -> None:
    """A missing, empty or blank e-mail is None. A user who has only a phone has no e-mail."""
    assert user_of(email=email).email == taken


@pytest.mark.parametrize(("value", "is_anonymous"), [(True, True), (False, False), (None, False)])
def test_an_anonymous_user_is_recognised(value: bool | None, is_anonymous: bool) -> None:
    """A user without a value of is_anonymous, as in older projects, is not anonymous."""
    assert user_of(is_anonymous=value).is_anonymous is is_anonymous


KNOWN: dict[str, Json] = {
    "email": "jane.doe@example.com",
    "email_confirmed_at": CONFIRMED,
    "raw_user_meta_data": {"first_name": "Jane"},
    "raw_app_meta_data": {"employee_number": "E-1"},
}


def test_a_soft_delete_drops_the_identity() -> None:
    """Only the id of a soft-deleted user is kept, because Auth replaces the e-mail by a hash."""
    assert user_of(**KNOWN, deleted_at=CONFIRMED) == AuthUser(JANE, deleted_at=EPOCH)


def test_a_hard_delete_has_the_time_of_its_delivery() -> None:
    """The time of a hard delete is that of its delivery, because the row has no deleted_at."""
    assert parsed(delete(**KNOWN)).user == AuthUser(JANE, deleted_at=EPOCH)


def test_a_hard_delete_after_a_soft_delete_keeps_the_first_time() -> None:
    """The deletion time of a soft-deleted user stays when the row is deleted."""
    assert parsed(delete(**KNOWN, deleted_at="2026-01-01T00:00:00+00:00")).user.deleted_at == datetime(
        2026, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-22T14:10:38.241038+00:00", datetime(2026, 11, 22, 14, 10, 38, 241038, UTC)),
        ("2026-11-22T14:10:38.2+00:00", datetime(2026, 11, 22, 14, 10, 38, 200000, UTC)),
        ("2026-11-22T14:10:38+00:00", datetime(2026, 11, 22, 14, 10, 38, 0, UTC)),
        ("2026-11-22T14:10:38-09:30", datetime(2026, 11, 22, 23, 40, 38, 0, UTC)),
        ("2026-11-22T14:10:38Z", datetime(2026, 11, 22, 14, 10, 38, 0, UTC)),
        ("infinity", LAST),
        ("-infinity", FIRST),
        ("12026-11-22T14:10:38+00:00", LAST),
        ("294276-12-31T23:59:59.999999+00:00", LAST),
        ("0044-03-15T12:00:00+00:00 BC", FIRST),
    ],
)
def test_every_timestamp_of_postgresql_is_parsed(written: str, moment: datetime) -> None:
    """A time that Python cannot represent becomes the first or the last time that Python can represent."""
    assert user_of(banned_until=written).banned_until == moment
