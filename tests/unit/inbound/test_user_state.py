"""What is known of a user from their row: names, number, address, bans and deletions, however they are written."""

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
def test_what_users_write_about_themselves_never_fails_an_event(metadata: Json) -> None:
    """raw_user_meta_data of any shape is tolerated; what is not a usable name is left out."""
    assert user_of(raw_user_meta_data=metadata) == AuthUser(JANE)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 4000, b"9" * 5000, b"0.%s1" % (b"0" * 9000)], ids=len)
def test_a_huge_number_in_a_users_metadata_never_fails_an_event(number: bytes) -> None:
    """jsonb holds numbers of 131,072 digits, and a user may write one."""
    body = body_of(update(raw_user_meta_data={"first_name": "#"})).replace(b'"#"', number)
    assert parse_bytes(body).user == AuthUser(JANE)


@pytest.mark.parametrize(
    ("name", "taken"),
    [("Zoë", "Zoë"), ("  Jane ", "Jane"), ("x" * 255, "x" * 255), ("李", "李"), ("🦊", "🦊")],
    ids=repr,
)
def test_a_usable_name_is_taken(name: str, taken: str) -> None:
    """Trimmed, and up to 255 characters."""
    assert user_of(raw_user_meta_data={"first_name": name}).names == {"first_name": taken}


def test_the_name_fields_say_where_names_are() -> None:
    """Each configured column takes the key that it names, and no other."""
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
    """Of raw_app_meta_data, which only a service role can write; anything else is no employee number."""
    assert user_of(raw_app_meta_data={"employee_number": number}).employee_number == taken


@pytest.mark.parametrize("metadata", [None, [], "E-1", 7], ids=repr)
def test_app_metadata_that_is_no_object_holds_no_number(metadata: Json) -> None:
    """raw_app_meta_data of any shape is tolerated."""
    assert user_of(raw_app_meta_data=metadata).employee_number is None


@pytest.mark.parametrize(
    ("email", "taken"), [(None, None), ("", None), (" ", None), (" a@example.com ", "a@example.com")]
)
def test_an_empty_email_is_none(email: str | None, taken: str | None) -> None:
    """Users with a phone only have no e-mail, written in several ways."""
    assert user_of(email=email).email == taken


@pytest.mark.parametrize(("value", "is_anonymous"), [(True, True), (False, False), (None, False)])
def test_an_anonymous_user_is_known(value: bool | None, is_anonymous: bool) -> None:
    """Older projects may lack the column's value."""
    assert user_of(is_anonymous=value).is_anonymous is is_anonymous


KNOWN: dict[str, Json] = {
    "email": "jane.doe@example.com",
    "email_confirmed_at": CONFIRMED,
    "raw_user_meta_data": {"first_name": "Jane"},
    "raw_app_meta_data": {"employee_number": "E-1"},
}


def test_a_soft_delete_drops_the_identity() -> None:
    """Auth replaces the e-mail by a hash; nothing of who it was is kept but the id."""
    assert user_of(**KNOWN, deleted_at=CONFIRMED) == AuthUser(JANE, deleted_at=EPOCH)


def test_a_delete_happened_when_it_was_sent() -> None:
    """A hard delete has no deleted_at of its own."""
    assert parsed(delete(**KNOWN)).user == AuthUser(JANE, deleted_at=EPOCH)


def test_a_delete_of_the_soft_deleted_keeps_their_moment() -> None:
    """The first deletion is the one that counts."""
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
def test_every_timestamp_of_postgresql_is_understood(written: str, moment: datetime) -> None:
    """What Python cannot hold is the first or last moment that it can."""
    assert user_of(banned_until=written).banned_until == moment
