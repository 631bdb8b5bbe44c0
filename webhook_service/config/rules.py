"""Reads the rules of the sync, and when it reconciles and prunes."""

import re
from collections.abc import Mapping
from datetime import time, timedelta

from webhook_service.config.values import switch, value_of, whole_number
from webhook_service.errors import BadSetting
from webhook_service.policy import DEACTIVATION_LIMIT, NAME_COLUMNS, EmailOwner, Policy
from webhook_service.settings import DEFAULT_RECONCILE_AT

DEFAULT_AUDIT_RETENTION_DAYS = 730
LONGEST_RETENTION_DAYS = 36500


def policy(environ: Mapping[str, str]) -> Policy:
    """Return the policy of EMAIL_OWNER, NAME_FIELDS, MASS_DEACTIVATION_LIMIT and LINK_UNPROVEN_EMAILS."""
    return Policy(
        email_owner=email_owner(environ),
        name_fields=name_fields(environ),
        deactivation_limit=deactivation_limit(environ),
        link_unproven_emails=switch(environ, "LINK_UNPROVEN_EMAILS", default="off"),
    )


def deactivation_limit(environ: Mapping[str, str]) -> str:
    """Return MASS_DEACTIVATION_LIMIT: a number of logins, a percentage of the linked employees, or off.

    The default is 10%.
    """
    text = (value_of(environ, "MASS_DEACTIVATION_LIMIT") or DEACTIVATION_LIMIT).lower()
    if text != "off" and re.fullmatch("[0-9]{1,9}|[1-9][0-9]?%|100%", text) is None:
        raise BadSetting("MASS_DEACTIVATION_LIMIT", "must be a number such as 50, a percentage such as 10%, or off")
    return text


def email_owner(environ: Mapping[str, str]) -> EmailOwner:
    """Return EMAIL_OWNER, which is Auth by default."""
    text = value_of(environ, "EMAIL_OWNER") or EmailOwner.AUTH
    try:
        return EmailOwner(text)
    except ValueError:
        raise BadSetting("EMAIL_OWNER", "must be auth or employees") from None


def name_fields(environ: Mapping[str, str]) -> dict[str, str]:
    """Return NAME_FIELDS as {employees column: key in raw_user_meta_data}.

    An example is NAME_FIELDS="first_name=given_name last_name=family_name". The value "none" means {}, so that no names
    are copied.
    """
    text = value_of(environ, "NAME_FIELDS")
    if text is None:
        return {name: name for name in NAME_COLUMNS}
    if text == "none":
        return {}
    words = re.split(r"[\s,]+", text)
    found = [re.fullmatch(r"(\w+)=([\w.-]+)", word) for word in words]
    pairs = {match[1]: match[2] for match in found if match is not None}
    if len(pairs) != len(words) or not pairs.keys() <= set(NAME_COLUMNS):
        raise BadSetting("NAME_FIELDS", f"must be COLUMN=KEY pairs (columns: {', '.join(NAME_COLUMNS)}), or none")
    return pairs


def reconcile_at(environ: Mapping[str, str]) -> time | None:
    """Return RECONCILE_AT, a time of the day in UTC, or None if it is off. The default is 02:30."""
    text = (value_of(environ, "RECONCILE_AT") or DEFAULT_RECONCILE_AT.isoformat("minutes")).lower()
    if text == "off":
        return None
    if re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text) is None:
        raise BadSetting("RECONCILE_AT", "must be a time of the day in UTC such as 02:30, or off")
    return time.fromisoformat(text)


def audit_retention(environ: Mapping[str, str]) -> timedelta:
    """Return the time after which `prune` removes entries of the audit, AUDIT_RETENTION_DAYS."""
    days = whole_number(environ, "AUDIT_RETENTION_DAYS", DEFAULT_AUDIT_RETENTION_DAYS)
    if days > LONGEST_RETENTION_DAYS:
        raise BadSetting("AUDIT_RETENTION_DAYS", f"must be at most {LONGEST_RETENTION_DAYS}")
    return timedelta(days=days)
