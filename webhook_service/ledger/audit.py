"""Records each action of an admin before it is performed, so that no action lacks its record."""

from webhook_service.events import Json
from webhook_service.ports import Database


def record(database: Database, who: str, action: str, target: str | None = None, **details: Json) -> None:
    """Record an admin's action. `target` is `event:ID`, `employee:ID`, `replay:ID` or None.

    Raises Unavailable, DatabaseError.
    """
    database.call("auth_sync_audit_v1", p_who=who, p_action=action, p_target=target, p_details=details)
