"""The settings of SCIM."""

import pytest

from webhook_service.config.scim import scim
from webhook_service.errors import BadSetting
from webhook_service.settings import NewLogins, ScimSettings


def test_the_defaults() -> None:
    """Without settings, a deleted person is kept, gets no login, and has no more columns."""
    assert scim({}) == ScimSettings({}, False, NewLogins.NONE, 1200)


def test_all_settings() -> None:
    """Each setting is read."""
    environ = {
        "SCIM_ATTRIBUTES": "department=dept, title=job_title",
        "SCIM_DELETE": "Remove",
        "SCIM_CREATE_LOGINS": "invite",
        "SCIM_RATE": "60",
    }
    expected = ScimSettings({"department": "dept", "title": "job_title"}, True, NewLogins.INVITE, 60)
    assert scim(environ) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCIM_ATTRIBUTES", "department"),
        ("SCIM_ATTRIBUTES", "department=a department=b"),
        ("SCIM_ATTRIBUTES", "department=a title=a"),
        ("SCIM_ATTRIBUTES", "password=secret"),
        ("SCIM_ATTRIBUTES", "title=auth_user_id"),
        ("SCIM_ATTRIBUTES", "title=is_active"),
        ("SCIM_ATTRIBUTES", "title=a;b"),
        ("SCIM_DELETE", "yes"),
        ("SCIM_CREATE_LOGINS", "all"),
        ("SCIM_RATE", "0"),
    ],
)
def test_a_bad_setting(name: str, value: str) -> None:
    """A value that is not possible is refused, and the setting is named."""
    with pytest.raises(BadSetting, match=name):
        scim({name: value})
