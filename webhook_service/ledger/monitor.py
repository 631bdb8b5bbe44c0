"""Keeps the lists of employees that differ from Auth: where they are many, comparing takes longer than a page may."""

from webhook_service.ledger.relay import Ran
from webhook_service.ports import Database


def run_once(database: Database, name: str) -> Ran:
    """Compares the next employees, if it is time; of many relays, one does. Raises Unavailable, DatabaseError."""
    return Ran(next_in=database.call("auth_sync_refresh_mismatches_v1")["next_in"])
