"""What the service needs of the world outside it."""

from typing import Protocol

from webhook_service.events import Json


class Database(Protocol):
    """A PostgreSQL database that has our SQL functions."""

    def call(self, function: str, **params: Json) -> Json:
        """Calls `public.<function>` with named JSON parameters in a transaction of its own; returns its JSON result.

        Raises Unavailable where asking again may help, DatabaseError where it will not. Answers within a few seconds.
        """

    def close(self) -> None:
        """Lets go of all connections."""
