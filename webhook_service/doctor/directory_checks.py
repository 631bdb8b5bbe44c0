"""Checks the directories that push employees in by SCIM."""

from datetime import datetime

from webhook_service.doctor.findings import Finding, note, ok
from webhook_service.ports import Database
from webhook_service.wording.counts import describe

TODO = "enter the address and a token of the page Directories in the directory, and test the connection there"


def directories(database: Database, now: datetime) -> Finding:
    """Check that each directory with a valid token has sent a request."""
    tokens = database.call("auth_sync_scim_tokens_v1")
    uses: dict[str, list[datetime]] = {}
    for token in tokens:
        if token["revoked_at"] is None:
            used = token["last_used_at"]
            uses.setdefault(token["name"], []).extend([datetime.fromisoformat(used)] if used is not None else [])
    if not uses:
        return ok("directories", "no directory pushes employees in by SCIM")
    says = "; ".join(f"{name}: {last_request(times, now)}" for name, times in sorted(uses.items()))
    if all(uses.values()):
        return ok("directories", says)
    return note("directories", says, TODO)


def last_request(times: list[datetime], now: datetime) -> str:
    """Return the time of the last request in words."""
    if not times:
        return "no request yet"
    return f"the last request was {describe(max(0, (now - max(times)).total_seconds()))} ago"
