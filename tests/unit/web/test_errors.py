"""The one table from errors to HTTP statuses."""

from webhook_service.errors import BadSetting, MigrationError, ServiceError
from webhook_service.web.errors import STATUSES

AT_START_ONLY = {BadSetting, MigrationError}
"""These end a command; no request meets them."""


def family(error: type[ServiceError]) -> set[type[ServiceError]]:
    return {error}.union(*(family(child) for child in error.__subclasses__()))


def test_every_error_has_a_status() -> None:
    """Each error that a request can meet is in the table by its own name, and nothing else is."""
    assert set(STATUSES) == family(ServiceError) - {ServiceError} - AT_START_ONLY
