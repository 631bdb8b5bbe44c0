"""Says in words how an employee and the login stand. The pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from webhook_service.events import Json
from webhook_service.ledger.wording import ACTIONS, AUTH_FAILURES, NO_ANSWER, SYNC_STATUSES

URGENT = ("INACTIVE_WITH_AUTH", "AMBIGUOUS")


@dataclass(frozen=True, slots=True)
class Standing:
    """A short `title`, and a sentence: `says`, `strong` (emphasized) and `rest`. `kind` is a key of wording.KINDS.

    `can_ban` says whether an admin can request the ban of the login again.
    """

    kind: str
    title: str
    says: str
    strong: str = ""
    rest: str = ""
    can_ban: bool = False


def standing(
    employee: Mapping[str, Json],
    *,
    is_compared: bool,
    action: Mapping[str, Json] | None = None,
    auth_failure: str | None = None,
) -> Standing:
    """Return the standing of a row of auth_sync_monitor.

    `is_compared` says whether auth users and employees were compared since the installation. `action` is the open ban
    or lifted ban of the login (see `auth_sync_person_v1`), or None. `auth_failure` is the reason why Auth is
    unavailable now, or None.
    """
    status, has_login = employee["sync_status"], employee["auth_user_id"] is not None
    if status == "INACTIVE_WITH_AUTH":
        return still_in(employee, action, auth_failure)
    if has_login and employee["banned_until"] is not None:
        return banned(employee, action, auth_failure)
    if not is_compared and (not has_login or employee["auth_email"] is None) and status in ("OK", "MISSING_AUTH_UID"):
        says = "Employees and logins have not been compared yet, so a login of this employee may be unknown."
        return Standing("waiting", "Not compared yet", says)
    if status == "OK" and not has_login:
        return Standing("same", "Inactive", "The employee is inactive, and has no login.")
    title, says = SYNC_STATUSES.get(status, (status, ""))
    return Standing("done" if status == "OK" else "failed" if status in URGENT else "waiting", title, says)


def still_in(employee: Mapping[str, Json], action: Mapping[str, Json] | None, auth_failure: str | None) -> Standing:
    """Return the standing of an inactive employee whose login is not banned."""
    title, says, strong = SYNC_STATUSES["INACTIVE_WITH_AUTH"][0], "Deactivated, but ", "the login still works"
    if employee["ban_held_at"] is not None:
        return Standing("failed", title, says, strong, ": the ban waits for your decision.")
    if action is None or action["operation"] != "disable_auth_user":
        return Standing("failed", title, says, strong, ": no ban is under way.", can_ban=True)
    if action["status"] == "FAILED" and action["next_attempt_at"] is None:
        why = ACTIONS[action["outcome"]].says if action["outcome"] in ACTIONS else "The ban failed."
        return Standing("failed", title, says, strong, f". {why} See the events below.", can_ban=True)
    return Standing("waiting", title, says, strong, f": {waits_for(action, auth_failure)}.")


def banned(employee: Mapping[str, Json], action: Mapping[str, Json] | None, auth_failure: str | None) -> Standing:
    """Return the standing of an employee whose login is banned."""
    if not employee["is_active"]:
        return Standing("same", "Deactivated", "The employee is inactive, and the login is banned.")
    if action is not None and action["operation"] == "enable_auth_user":
        return Standing(
            "waiting", "Banned", "Active, but ", "the login is still banned", f": {waits_for(action, auth_failure)}."
        )
    return Standing("waiting", "Banned", "Active, but ", "the login is banned", " by an admin in Supabase.")


def waits_for(action: Mapping[str, Json], auth_failure: str | None) -> str:
    """Say why an open action is not performed yet."""
    if action["status"] == "FAILED" and action["outcome"] != "auth_unavailable":
        return "the change failed, and is retried"
    failure = action["error_message"] if action["status"] == "FAILED" else auth_failure
    if failure is None:
        return "the change is requested, and follows in a moment"
    return f"{AUTH_FAILURES.get(str(failure), NO_ANSWER)}; retrying"
