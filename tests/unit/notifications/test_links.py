"""Links in messages are signed, and expire."""

from datetime import UTC, datetime, timedelta

import pytest

from webhook_service.errors import BadLink, ExpiredLink
from webhook_service.notifications.decide import Kind
from webhook_service.notifications.links import LIFETIME, FailingLink, failing_link, read_link

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = b"k" * 32
LINK = FailingLink(Kind.NEEDS_ATTENTION, 42)
URL = failing_link("https://sync.example.com/hr", KEY, LINK, now=NOW)
TOKEN = URL.rsplit("/", 1)[1]


def test_a_link_holds_its_content() -> None:
    """A link is valid until the last second of its lifetime."""
    assert f"https://sync.example.com/hr/admin/failing/{TOKEN}" == URL
    assert read_link(TOKEN, KEY, now=NOW) == LINK
    assert read_link(TOKEN, KEY, now=NOW + LIFETIME) == LINK


@pytest.mark.parametrize("moment", [NOW + LIFETIME + timedelta(seconds=1), NOW - timedelta(seconds=1)])
def test_a_link_expires(moment: datetime) -> None:
    """The error of an expired link or a link from the future differs from the error of a wrong signature."""
    with pytest.raises(ExpiredLink) as caught:
        read_link(TOKEN, KEY, now=moment)
    assert caught.value.reason == "expired_link"


@pytest.mark.parametrize("index", range(len(TOKEN) - 1))  # base64 ignores some bits of the last letter
def test_a_changed_link_is_refused(index: int) -> None:
    """A link with any changed letter is refused, with any age in the link."""
    letter = "A" if TOKEN[index] != "A" else "B"
    with pytest.raises(BadLink):
        read_link(TOKEN[:index] + letter + TOKEN[index + 1 :], KEY, now=NOW)


@pytest.mark.parametrize("token", ["", ".", "x", TOKEN[:-5], TOKEN + "x", f"{TOKEN}.x", "ä", "\0", "." * 9000])
def test_a_text_that_is_not_a_link_is_refused(token: str) -> None:
    """Any text that is not a signed link raises BadLink."""
    with pytest.raises(BadLink):
        read_link(token, KEY, now=NOW)


def test_a_link_of_another_key_is_refused() -> None:
    """A link of a former SECRET_KEY is refused as BadLink, even if it has expired."""
    for moment in (NOW, NOW + LIFETIME * 2):
        with pytest.raises(BadLink):
            read_link(TOKEN, b"another" * 5, now=moment)
