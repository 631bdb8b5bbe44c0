"""Doctor's findings about the optional settings of the service."""

from dataclasses import replace

import pytest

from webhook_service.doctor import settings_checks
from webhook_service.doctor.findings import Level
from webhook_service.settings import NoticeSettings, PageSettings, Role

ROLES = PageSettings(roles=frozenset({("sync_admin", Role.ADMIN)}))


def test_a_shared_key_is_a_note() -> None:
    """If no role may sign in, a note says that the admins share the key, and names the setting."""
    found = settings_checks.admins(PageSettings(), None, has_auth=True)
    assert (found.level, found.command) == (Level.NOTE, "ADMIN_ROLES=sync_admin")


def test_a_role_without_auth_is_a_note() -> None:
    """A role that cannot sign in, because Auth is not configured, is a note that names the missing settings."""
    found = settings_checks.admins(ROLES, None, has_auth=False)
    assert (found.level, "SUPABASE_URL" in found.todo) == (Level.NOTE, True)


def test_admins_are_not_counted_without_a_database() -> None:
    """Without a database, the finding names the role and no number."""
    found = settings_checks.admins(ROLES, None, has_auth=True)
    assert (found.level, found.says.split(";")[0]) == (
        Level.OK,
        "auth users with a role of ADMIN_ROLES may sign in: sync_admin",
    )


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        (ROLES, "the admin key signs in too"),
        (replace(ROLES, key_sign_in=False), "; the admin key does not sign in"),
        (replace(ROLES, require_second_factor=True), "a second factor is required"),
    ],
    ids=["defaults", "no key", "second factor"],
)
def test_the_ways_to_sign_in_are_named(pages: PageSettings, says: str) -> None:
    """The finding says whether the admin key signs in, and whether a second factor is required."""
    assert says in settings_checks.admins(pages, None, has_auth=True).says


def test_the_role_is_quoted() -> None:
    """A role with quotes does not break the SQL to copy."""
    assert """|| '{"role": "it''s \\"me\\""}' where""" in settings_checks.giving('it\'s "me"')


@pytest.mark.parametrize(
    ("url", "level"),
    [(None, Level.NOTE), ("http://sync.example.com", Level.NOTE), ("https://sync.example.com", Level.OK)],
)
def test_the_public_url_needs_tls(url: str | None, level: Level) -> None:
    """PUBLIC_URL is ok if it begins with https://, and otherwise a note has the setting to copy."""
    found = settings_checks.public_url(url)
    assert (found.level, found.command.startswith("PUBLIC_URL=https://")) == (level, level is Level.NOTE)


def test_the_destinations_of_notices_are_counted() -> None:
    """Notices with a destination are ok, and the finding has no part of the URL, which holds a password."""
    found = settings_checks.notices(NoticeSettings(("mailto://user:canary@example.com",)))
    assert (found.level, found.says) == (Level.OK, "they are sent to 1 destination")


def test_notices_without_a_destination_are_a_note() -> None:
    """Without NOTIFY_URLS, a note has the command that tests the notices."""
    found = settings_checks.notices(NoticeSettings())
    assert (found.level, found.command) == (Level.NOTE, "webhook-service notify --test")
