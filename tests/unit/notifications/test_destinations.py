"""NOTIFY_URLS: what is taken, what is refused, and what is shown of it."""

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
def test_several_are_taken(separator: str) -> None:
    """Separated as people do; the comma between two recipients is the URL's own."""
    urls = config.notices(DIRECT | {"NOTIFY_URLS": separator.join([MAIL, SLACK, TEAMS])}).urls
    assert urls == (MAIL, SLACK, TEAMS)


def test_a_name_gives_nothing_away() -> None:
    """The scheme, and the host; but not what stands in its place where the service needs none."""
    found = destinations([MAIL, SLACK, TEAMS])
    assert [one.name for one in found] == ["mailto://smtp.example.com", "slack://...", "workflows://prod.example.com"]
    assert "canary" not in repr(found).lower()


def test_fingerprints_tell_destinations_apart() -> None:
    """And give nothing away to who has not the key."""
    [mail, slack] = destinations([MAIL, SLACK])
    assert mail.fingerprint(b"a") == mail.fingerprint(b"a")
    assert len({one.fingerprint(key) for one in (mail, slack) for key in (b"a", b"b" * 100)}) == 4


@pytest.mark.parametrize(
    "bad", ["canary-password", "canary://canary-password", "mailto://", "mailto://:canary@", "slack://canary"]
)
def test_what_cannot_be_used_fails_at_start(
    bad: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says which variable and which of its URLs, and nothing of what is in them, be it in the log."""
    with caplog.at_level(logging.DEBUG):
        error = error_of(DIRECT | {"NOTIFY_URLS": f"{MAIL} {bad}" if "://" in bad else bad})
    assert "NOTIFY_URLS is unusable: number " in error.detail
    shown = error.detail + repr(error.__context__ or "") + caplog.text + "".join(capfd.readouterr())
    assert "canary" not in shown


def test_who_tells_nobody_waits_for_nothing() -> None:
    """Apprise takes as long to import as all the rest: it is not, unless NOTIFY_URLS is set."""
    code = "import sys, webhook_service.app, webhook_service.cli; sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
