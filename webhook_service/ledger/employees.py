"""Queries of employees and their logins, for admins."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from webhook_service.errors import EmployeeNotFound
from webhook_service.events import Json
from webhook_service.loops import PassResult
from webhook_service.ports import Database

MOST_FOUND = 20
"""The largest number of employees that the admin API finds by each of e-mail, number and name."""


class SyncStatus(StrEnum):
    """The `sync_status` of an employee. `db/views/views.sql` defines each status."""

    MISSING_AUTH_UID = "MISSING_AUTH_UID"
    INACTIVE_WITH_AUTH = "INACTIVE_WITH_AUTH"
    ORPHANED = "ORPHANED"
    EMAIL_MISMATCH = "EMAIL_MISMATCH"
    AMBIGUOUS = "AMBIGUOUS"
    UNUSABLE_EMAIL = "UNUSABLE_EMAIL"
    OK = "OK"


def people(
    database: Database, filter: Mapping[str, Json], *, after: int | None, limit: int, most: int = MOST_FOUND
) -> Json:
    """Return a page of the employees that match all of `filter` (`sync_status`, `is_active`, `person`), by employee_id.

    A search for a `person` finds at most `most` employees by each of e-mail, number and name. The result is
    {"employees": rows of auth_sync_monitor, "next": the `after` of the next page}. "next" is None on the last page.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_people_v1", p_filter=dict(filter), p_after=after, p_limit=limit, p_most=most)


def listed(
    database: Database, filter: Mapping[str, Json], sort: str, at: int | None, *, is_back: bool, limit: int
) -> Json:
    """Return a page of the employees that match `filter` (`sync_status`, `person`), in the order of `sort`.

    `sort` is `id`, `name`, `email` or `number`, with a leading `-` for the descending order. `at` is the last employee
    of the page before or, with `is_back`, the first employee of the page after. The result is {"employees": rows of
    auth_sync_monitor, "next", "previous": whether there are such pages, "first": the number of the first employee or
    None, "matched": the number of all or None, "is_estimated", "sorts": the columns by which this list can be sorted}.
    A list that cannot be sorted by `sort` is in the order of employee_id. Raises Unavailable, DatabaseError.
    """
    return database.call(
        "auth_sync_list_people_v1",
        p_filter=dict(filter),
        p_sort=sort,
        p_at=at,
        p_is_back=is_back,
        p_limit=limit,
    )


def chosen(database: Database, employee_ids: Sequence[int]) -> Json:
    """Return the employees with these ids for the preview of a bulk change.

    The result is {"people": [{"employee_id", "name", "email", "is_active", "auth_user_id"}], "is_held": whether the
    bans of their logins would exceed MASS_DEACTIVATION_LIMIT}. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_chosen_people_v1", p_ids=list(employee_ids))


def problems(database: Database) -> Json:
    """Count the employees with each problem. The counts are exact up to 10,000.

    The result is {sync_status: count, ..., "is_capped": whether a count is higher, "checked_at"}.
    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_problems_v1")


def person(database: Database, employee_id: int) -> Json:
    """Return one employee.

    The result is {"employee", "events", "candidates", "managed_by", ...}, as `auth_sync_person_v1` describes. "events"
    holds the newest 20. If the employee has no login, "candidates" holds the auth users that could be the login.
    Raises EmployeeNotFound, Unavailable, DatabaseError.
    """
    found = database.call("auth_sync_person_v1", p_employee_id=employee_id)
    if found is None:
        raise EmployeeNotFound
    return found


def with_number(database: Database, employee_number: str) -> list[Json]:
    """Return the first employees with this number, [{"employee_id", "name"}]. Raises Unavailable, DatabaseError."""
    found: list[Json] = database.call("auth_sync_with_number_v1", p_employee_number=employee_number, p_except=None)
    return found


def login_candidates(database: Database, auth_user_id: UUID) -> Json:
    """Return {"auth_user", "employees"}, or None if the auth user is unknown.

    "employees" holds the employees whose login the auth user could be. Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_login_candidates_v1", p_auth_user_id=str(auth_user_id))


def logins_by_email(database: Database, email: str) -> Json:
    """Return the auth users with this e-mail, in the shape of the "candidates" that `person` returns.

    Raises Unavailable, DatabaseError.
    """
    return database.call("auth_sync_candidates_v1", p_email=email, p_employee_number=None)


def refresh_differences(database: Database) -> PassResult:
    """If a comparison is due, compare the next employees with Auth, and store the lists of differing employees.

    Comparing many employees takes longer than a page of the dashboard may take. Only one relay at a time compares.
    Raises Unavailable, DatabaseError.
    """
    return PassResult(next_in=database.call("auth_sync_refresh_mismatches_v1")["next_in"])
