"""The directory that manages an employee, as an admin sees it."""

from webhook_service.errors import NotPossible
from webhook_service.ports import Database

NOT_MANAGED = "No directory manages this employee."


def release(database: Database, employee_id: int) -> str:
    """Release an employee from its directory, and return the name of the directory.

    The employee does not exist for the directory any more, until it adds the person again. Raises NotPossible
    (`not_managed`), Unavailable, DatabaseError.
    """
    name: str | None = database.call("auth_sync_scim_release_v1", p_employee_id=employee_id)
    if name is None:
        raise NotPossible("not_managed", NOT_MANAGED)
    return name
