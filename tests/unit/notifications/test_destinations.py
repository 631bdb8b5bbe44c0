"""The URLs in NOTIFY_URLS that are accepted and refused, and the parts that may be shown."""

import logging
import subprocess
import sys

import pytest

from tests.unit.environments import DIRECT, error_of
from webhook_service import config
from webhook_service.notifications.destinations import destinations

MAIL = "mailto://jane:canary-password@smtp.example.com?from=a@example.com&to=b@example.com,c@example.com"
SLACK = "slack://T1CANARYX/A1CANARYX/TIiajkdnlazkcOXrIdevi7FQ"
TEAMS = "workflows://prod.example.com:443/canary/canary/"


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n"])
def test_several_urls_are_accepted(separator: str) -> None:
    """URLs are separated by a space or a comma. A comma between two recipients belongs to the URL."""
    urls = config.notices(DIRECT | {"NOTIFY_URLS": separator.join([MAIL, SLACK, TEAMS])}).urls
    assert urls == (MAIL, SLACK, TEAMS)


def test_a_name_shows_no_secret() -> None:
    """The name of a destination is its scheme and host. A token in the place of the host is left out."""
    found = destinations([MAIL, SLACK, TEAMS])
    assert [one.name for one in found] == ["mailto://smtp.example.com", "slack://...", "workflows://prod.example.com"]
    assert "canary" not in repr(found).lower()


def test_fingerprints_distinguish_destinations() -> None:
    """A fingerprint depends on the destination and the key, so it reveals nothing without the key."""
    [mail, slack] = destinations([MAIL, SLACK])
    assert mail.fingerprint(b"a") == mail.fingerprint(b"a")
    assert len({one.fingerprint(key) for one in (mail, slack) for key in (b"a", b"b" * 100)}) == 4


@pytest.mark.parametrize(
    "bad", ["canary-password", "canary://canary-password", "mailto://", "mailto://:canary@", "slack://canary"]
)
def test_an_unusable_url_fails_at_start(
    bad: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error for an unusable URL names the variable and the URL's position. Neither error nor log quotes the URL."""
    with caplog.at_level(logging.DEBUG):
        error = error_of(DIRECT | {"NOTIFY_URLS": f"{MAIL} {bad}" if "://" in bad else bad})
    assert "NOTIFY_URLS is unusable: number " in error.detail
    shown = error.detail + repr(error.__context__ or "") + caplog.text + "".join(capfd.readouterr())
    assert "canary" not in shown


def test_apprise_is_not_imported_without_notices() -> None:
    """Apprise is imported only if NOTIFY_URLS is set, because its import takes as long as all other imports."""
    code = "import sys, webhook_service.app, webhook_service.cli; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
