"""Says in words how an employee and the login stand. The pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook_service.events import Json
from webhook_service.wording.employees import AUTH_FAILURES, BAN_FAILED, NO_ANSWER, STANDINGS, SYNC_STATUSES, WAITS
from webhook_service.wording.outcomes import ACTIONS

URGENT = ("INACTIVE_WITH_AUTH", "AMBIGUOUS")


@dataclass(frozen=True, slots=True)
class Standing:
    """A short `title`, and a sentence, in which ** emphasizes a part. `kind` is a key of outcomes.KINDS.

    `can_ban` says whether an admin can request the ban of the login again.
    """

    kind: str
    title: str
    says: str
    can_ban: bool = False


def standing(
    employee: Mapping[str, Json],
    *,
    is_compared: bool,
    action: Mapping[str, Json] | None = None,
    is_ban_newer: bool = False,
    auth_failure: str | None = None,
) -> Standing:
    """Return the standing of a row of auth_sync_monitor.

    `is_compared` says whether auth users and employees were compared since the installation. `action` is the open ban
    or lifted ban of the login (see `auth_sync_person_v1`), or None. `is_ban_newer` says whether Auth has confirmed a
    ban after the newest change of the login that was applied. `auth_failure` is the reason why Auth is unavailable now,
    or None.
    """
    status, has_login = employee["sync_status"], employee["auth_user_id"] is not None
    if status == "INACTIVE_WITH_AUTH" and action is None and is_ban_newer:
        return of("same", "banned.inactive")
    if status == "INACTIVE_WITH_AUTH":
        return still_in(employee, action, auth_failure)
    if has_login and employee["banned_until"] is not None:
        return banned(employee, action, auth_failure)
    if not is_compared and (not has_login or employee["auth_email"] is None) and status in ("OK", "MISSING_AUTH_UID"):
        return of("waiting", "not_compared")
    if status == "OK" and not has_login:
        return of("same", "inactive")
    title, says = SYNC_STATUSES.get(status, (status, ""))
    return Standing("done" if status == "OK" else "failed" if status in URGENT else "waiting", title, says)


def standing_of(found: Mapping[str, Any], *, is_compared: bool) -> Standing:
    """Return the standing of an employee that `employees.person` returned."""
    return standing(
        found["employee"],
        is_compared=is_compared,
        action=found["action"],
        is_ban_newer=found["is_ban_newer"],
        auth_failure=found["auth_failure"],
    )


def of(kind: str, name: str, *, why: str = "", can_ban: bool = False) -> Standing:
    title, says = STANDINGS[name]
    return Standing(kind, title, says.format(why=why), can_ban)


def still_in(employee: Mapping[str, Json], action: Mapping[str, Json] | None, auth_failure: str | None) -> Standing:
    """Return the standing of an inactive employee whose login is not banned."""
    if employee["ban_held_at"] is not None:
        return of("failed", "still_in.held")
    if action is None or action["operation"] != "disable_auth_user":
        return of("failed", "still_in.no_ban", can_ban=True)
    if action["status"] == "FAILED" and action["next_attempt_at"] is None:
        why = ACTIONS[action["outcome"]].says if action["outcome"] in ACTIONS else BAN_FAILED
        return of("failed", "still_in.failed", why=why, can_ban=True)
    return of("waiting", "still_in.waits", why=waits_for(action, auth_failure))


def banned(employee: Mapping[str, Json], action: Mapping[str, Json] | None, auth_failure: str | None) -> Standing:
    """Return the standing of an employee whose login is banned."""
    if not employee["is_active"]:
        return of("same", "banned.inactive")
    if action is not None and action["operation"] == "enable_auth_user":
        return of("waiting", "banned.waits", why=waits_for(action, auth_failure))
    return of("waiting", "banned.by_admin")


def waits_for(action: Mapping[str, Json], auth_failure: str | None) -> str:
    """Say why an open action is not performed yet."""
    if action["status"] == "FAILED" and action["outcome"] != "auth_unavailable":
        return WAITS["failed"]
    failure = action["error_message"] if action["status"] == "FAILED" else auth_failure
    if failure is None:
        return WAITS["requested"]
    return WAITS["auth"].format(failure=AUTH_FAILURES.get(str(failure), NO_ANSWER))
