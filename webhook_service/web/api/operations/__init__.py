"""The routes of the admin API, with their requests, responses and errors, for its OpenAPI document."""

from webhook_service.web.api.operations import (
    audit,
    directories,
    employees,
    events,
    held,
    imports,
    logins,
    people,
    reconcile,
    replays,
    subscribers,
)

OPERATIONS = (
    *events.OPERATIONS,
    *replays.OPERATIONS,
    *held.OPERATIONS,
    *people.OPERATIONS,
    *employees.OPERATIONS,
    *imports.OPERATIONS,
    *logins.OPERATIONS,
    *directories.OPERATIONS,
    *reconcile.OPERATIONS,
    *subscribers.OPERATIONS,
    *audit.OPERATIONS,
)
"""Each module of this package has the routes of one subject."""
