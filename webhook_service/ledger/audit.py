"""Which admin does what: recorded before it is done, so that nothing is done that is not recorded."""

from webhook_service.events import Json
from webhook_service.ports import Database


def record(database: Database, who: str, action: str, target: str | None = None, **details: Json) -> None:
    """`target` is what it is done to: event:ID, employee:ID, replay:ID. Raises Unavailable."""
    database.call("auth_sync_audit_v1", p_who=who, p_action=action, p_target=target, p_details=details)
