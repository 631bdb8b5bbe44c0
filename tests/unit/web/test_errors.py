"""The table of errors and their HTTP statuses."""

from webhook_service.errors import BadSetting, MigrationError, ServiceError
from webhook_service.scim.refusals import Refusal
from webhook_service.web.errors import STATUSES

AT_START_ONLY = {BadSetting, MigrationError}
"""Errors that end a command. No request raises them."""


def family(error: type[ServiceError]) -> set[type[ServiceError]]:
    return {error}.union(*(family(child) for child in error.__subclasses__()))


def test_every_error_has_a_status() -> None:
    """The table holds each error that a request can raise, and no other error. A refusal of SCIM has its own status."""
    assert set(STATUSES) == family(ServiceError) - {ServiceError} - AT_START_ONLY - family(Refusal)
