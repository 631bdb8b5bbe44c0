"""The audit of the directories. Each request is in it once.

The store audits writes in their transactions, and refusals of writes (`audited`). All other requests are recorded
before their answers (`record`): reads, bulk requests, and requests that are refused earlier.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from webhook_service.errors import ServiceError
from webhook_service.events import Json
from webhook_service.ports import Database
from webhook_service.scim.checks import KEY
from webhook_service.scim.clients import TOKEN, hash_of
from webhook_service.scim.refusals import NoSuchPerson, Refusal, VersionMismatch
from webhook_service.scim.values import Client

log = logging.getLogger(__name__)

DESCRIBE, UNKNOWN = "read the description of the server", "send an unknown request"
ACTIONS = {
    "find": "list employees",
    "search": "search employees",
    "get": "read an employee",
    "create": "create an employee",
    "replace": "edit an employee",
    "patch": "edit an employee",
    "delete": "delete an employee",
    "perform_bulk": "send a bulk request",
    "service_provider_config": DESCRIBE,
    "resource_types": DESCRIBE,
    "schemas": DESCRIBE,
    "me": UNKNOWN,
    "unknown": UNKNOWN,
}
"""The purpose of a request, in the imperative, by the name of its view."""

WRITES = frozenset({"create", "replace", "patch", "delete"})
"""The views whose requests are in the audit if they succeed."""

OF_ONE_USER = frozenset({"get", "replace", "patch", "delete"})
"""The views whose id is that of a user."""


def record(
    database: Database, token: str, view: str, id: str | None, status: int, details: Mapping[str, Json] | None = None
) -> None:
    """Record a request that the store has not audited, with the status of its answer. `id` is that of the user.

    A request without a token of a directory is not recorded. Raises Unavailable, DatabaseError.
    """
    if TOKEN.fullmatch(token) is None or (view in WRITES and status < HTTPStatus.BAD_REQUEST):
        return
    database.call(
        "auth_sync_scim_request_v1",
        p_hash=hash_of(token),
        p_action=ACTIONS[view],
        p_employee_id=int(id) if id is not None and KEY.fullmatch(id) else None,
        p_status=status,
        p_details=dict(details or {}),
        p_reason=f"{status} {HTTPStatus(status).phrase}" if status != HTTPStatus.OK else None,
    )


@contextmanager
def audited(database: Database, client: Client, action: str, employee_id: int | None) -> Iterator[None]:
    """Record a refusal of the block in the audit as an act, unless the person is unknown or was changed meanwhile."""
    try:
        yield
    except (NoSuchPerson, VersionMismatch):
        raise
    except Refusal as refusal:
        try:
            database.call(
                "auth_sync_scim_audit_v1",
                p_client_id=client.client_id,
                p_action=action,
                p_employee_id=employee_id,
                p_details={},
                p_result="refused",
                p_reason=refusal.detail,
            )
            refusal.is_audited = True
        except ServiceError as error:
            log.warning("refusal not audited", extra={"reason": error.reason})
        raise
