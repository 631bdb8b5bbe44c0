"""The e-mails and links of employees that clients wrote. An action that follows from one waits for an admin."""

from webhook_service.errors import NotPossible
from webhook_service.ports import Database


def drop(database: Database, event_id: str, requested_by: str) -> None:
    """Undo the change from which this action follows: the employee gets the login's e-mail again, or loses the link.

    To approve the change, perform the action. The database audits the decision. Raises NotPossible (`not_open`) if the
    action does not wait for an admin, Unavailable, DatabaseError.
    """
    if not database.call("auth_sync_drop_client_change_v1", p_event_id=event_id, p_requested_by=requested_by):
        raise NotPossible("not_open", "This is not an action that waits because a client changed the employee.")
