"""Checks the employees table: its columns and its e-mails."""

from webhook_service.doctor.findings import MIGRATE_AND_RECONCILE, Finding, note, wrong
from webhook_service.events import Json
from webhook_service.ledger import employees
from webhook_service.ledger.employees import SyncStatus
from webhook_service.ports import Database
from webhook_service.wording.counts import counted


def columns(facts: Json) -> list[Finding]:
    """Check that the owner of employees has not changed a column so that this service cannot use it."""
    if facts["unfit_columns"] is None:
        return []
    says = f"the table cannot be used any more: {facts['unfit_columns']}"
    return [wrong("employees", says, "give the columns these types, then migrate and reconcile", MIGRATE_AND_RECONCILE)]


def emails(database: Database, facts: Json) -> list[Finding]:
    """Check that the e-mail of each employee who has no login can be the address of a login."""
    if facts["unfit_columns"] is not None:
        return []
    count = employees.problems(database)[SyncStatus.UNUSABLE_EMAIL]
    if not count:
        return []
    says = counted(
        count,
        "{count} employee without a login has an e-mail that cannot be the address of one ({examples})",
        "{count} employees without a login have an e-mail that cannot be the address of one ({examples})",
        examples="mailto:, two addresses, a semicolon",
    )
    query = "select * from auth_sync_monitor where sync_status = 'UNUSABLE_EMAIL'"
    return [note("e-mails", says, "correct the employees of this query", query)]
