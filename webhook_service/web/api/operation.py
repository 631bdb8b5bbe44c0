"""The type of a route in the OpenAPI document."""

from dataclasses import dataclass, field

from marshmallow import Schema

from webhook_service.events import Json
from webhook_service.web.api.idempotency import METHODS
from webhook_service.web.api.reasons import BODY_REASONS, COMMON_REASONS, CSV_REASONS, KEY_REASONS

OF_EMPLOYEES = tuple(
    f"/admin/api/{name}"
    for name in ("directories", "employees", "held", "imports", "problems", "provision", "reconcile")
)
"""The beginnings of the paths about employees. All others are about the ledger, or about subscribers."""

OF_SUBSCRIBERS = "/admin/api/subscribers"


@dataclass(frozen=True, slots=True)
class Operation:
    """A route. `reasons` are its errors, without the errors that any request can have (see `web.api.reasons`).

    `has_password` says that the response has a password, token or secret, which caches must not keep. With
    `csv_example`, the body is a CSV file.
    """

    method: str
    path: str
    name: str
    title: str
    text: str
    answer: type[Schema]
    status: int = 200
    query: type[Schema] | None = None
    body: type[Schema] | None = None
    needs_body: bool = False
    has_password: bool = False
    csv_example: str = ""
    request_example: Json = field(default_factory=dict)
    response_example: Json = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        if self.path.startswith(OF_SUBSCRIBERS):
            return "Subscribers"
        return "Employees" if self.path.startswith(OF_EMPLOYEES) else "Ledger"

    @property
    def accepts_key(self) -> bool:
        """Return whether a request may have an Idempotency-Key."""
        return self.method.upper() in METHODS

    @property
    def all_reasons(self) -> tuple[str, ...]:
        body = CSV_REASONS if self.csv_example else BODY_REASONS if self.body else ()
        key = KEY_REASONS if self.accepts_key else ()
        return (*self.reasons, *body, *key, *COMMON_REASONS)
