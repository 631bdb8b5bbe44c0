"""The routes of the admin API, with their requests, responses and errors, for its OpenAPI document."""

from webhook_service.web.api.operations import employees, events, held, replays

OPERATIONS = (
    *events.OPERATIONS,
    *replays.OPERATIONS,
    *held.OPERATIONS,
    *employees.OPERATIONS,
)
"""Each module of this package has the routes of one subject."""
