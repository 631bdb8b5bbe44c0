"""Everyone and their login, as admins look at it."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from webhook_service.errors import EmployeeNotFound
from webhook_service.events import Json
from webhook_service.loops import PassResult
from webhook_service.ports import Database


class SyncStatus(StrEnum):
    """How an employee stands with the login; what each means is said in db/views/views.sql."""

    MISSING_AUTH_UID = "MISSING_AUTH_UID"
    INACTIVE_WITH_AUTH = "INACTIVE_WITH_AUTH"
    ORPHANED = "ORPHANED"
    EMAIL_MISMATCH = "EMAIL_MISMATCH"
    AMBIGUOUS = "AMBIGUOUS"
    OK = "OK"


def people(database: Database, filter: Mapping[str, Json], *, after: int | None, limit: int) -> Json:
    """A page, by employee_id, of the employees for whom all of `filter` holds (`sync_status`, `is_active`, `person`):
    {"employees": rows of auth_sync_monitor, "next": the id to go on after, or None}.
    """
    return database.call("auth_sync_people_v1", p_filter=dict(filter), p_after=after, p_limit=limit)


def problems(database: Database) -> Json:
    """How many have each problem, up to 10,000: {sync_status: count, ..., "is_capped": one has more, "checked_at"}."""
    return database.call("auth_sync_problems_v1")


def person(database: Database, employee_id: int) -> Json:
    """{"employee", "events": the newest 20, "candidates": auth users that could be the login of one who has none}.
    Raises EmployeeNotFound.
    """
    found = database.call("auth_sync_person_v1", p_employee_id=employee_id)
    if found is None:
        raise EmployeeNotFound
    return found


def login_candidates(database: Database, auth_user_id: UUID) -> Json:
    """{"auth_user", "employees": those whose login it could be}; None where the auth user is not known."""
    return database.call("auth_sync_login_candidates_v1", p_auth_user_id=str(auth_user_id))


def logins_by_email(database: Database, email: str) -> Json:
    """The auth users with this e-mail: as the candidates of `person`."""
    return database.call("auth_sync_candidates_v1", p_email=email, p_employee_number=None)


def refresh_differences(database: Database) -> PassResult:
    """Compares the next employees with Auth, if it is time, and keeps the lists of those that differ: comparing many of
    them takes longer than a page may. Of several relays, one does it. Raises Unavailable, DatabaseError.
    """
    return PassResult(next_in=database.call("auth_sync_refresh_mismatches_v1")["next_in"])
