"""Checks this service's objects, the employees table, and the columns of auth.users."""

from webhook_service.db import migrate
from webhook_service.db.expected import lacking
from webhook_service.doctor import employees_checks
from webhook_service.doctor.findings import MIGRATE, MIGRATE_AND_RECONCILE, RECONCILE, Finding, note, ok, wrong
from webhook_service.events import Json
from webhook_service.ports import Database

MAX_NAMED = 40
"""The largest number of objects that one finding names."""

OWNER = "run this as the owner of the table"

EVERYBODY = "is_active was added by this service as true: everybody counts as active, also people who have left"
EVERYBODY_WITH_HINT = f"{EVERYBODY}. Columns that may say who has left: {{columns}}"


def schema(database: Database) -> Finding:
    """Check that every object of this version exists unaltered. A newer version's objects are not compared."""
    if database.call("auth_sync_schema_v1")["functions"][0] != migrate.wanted().functions:
        return ok("schema", "a newer version has replaced the functions")
    lost = lacking(database.call("auth_sync_installed_v1"))
    if lost:
        named = ", ".join(lost[:MAX_NAMED])
        says = "missing or altered: {named}" if len(lost) <= MAX_NAMED else "{count} are missing or altered: {named}, …"
        todo = "migrate, then reconcile; see docs/how-to/existing-table.md for the cause"
        return wrong("schema", says.format(named=named, count=len(lost)), todo, MIGRATE_AND_RECONCILE)
    return ok("schema", "none is missing or altered")


def employees(database: Database, inspected: Json) -> list[Finding]:
    """Check the owner's definition of the employees table, and the columns of auth.users.

    `inspected` is the result of `auth_sync_inspect_v1`.
    """
    facts = database.call("auth_sync_employees_table_v1")
    findings = [
        *employees_checks.columns(inspected),
        *kind(facts),
        *link(facts),
        *active(facts, database),
        *auth_columns(facts),
    ]
    return findings or [ok("employees", "the service can use the table")]


def kind(facts: Json) -> list[Finding]:
    """Check that public.employees is a table that this service can use."""
    if facts["kind"] != "table" or facts["has_children"]:
        is_now = f"public.employees is a {facts['kind']}" if facts["kind"] else "there is no table public.employees"
        return [wrong("employees", is_now, "see docs/how-to/existing-table.md, then migrate", MIGRATE)]
    if "employee_id" not in facts["columns"] or not facts["key_is_unique"]:
        todo = "make the column unique, or rename it back, then migrate"
        return [wrong("employees", "public.employees has no unique column employee_id", todo, MIGRATE)]
    if facts["hides_rows"]:
        says = "forced row level security hides employees from this service"
        return [wrong("employees", says, OWNER, "alter table public.employees no force row level security")]
    return []


def link(facts: Json) -> list[Finding]:
    """Check that the link can be cleared, and that no foreign key prevents a change by Auth or by this service."""
    findings = []
    if facts["link"]["is_not_null"]:
        command = "alter table public.employees alter column auth_user_id drop not null"
        says = "auth_user_id is not null: a link cannot be cleared when its login is deleted"
        findings.append(wrong("employees", says, OWNER, command))
    for key in facts["link"]["foreign_keys"]:
        if key["on_delete"] != "set null" or key["references"] != "auth.users":
            says = (
                f"auth_user_id has a foreign key ({key['name']}, to {key['references']}, on delete {key['on_delete']})"
            )
            command = f'alter table public.employees drop constraint "{key["name"]}"'
            findings.append(wrong("employees", says, OWNER, command))
    return findings


def active(facts: Json, database: Database) -> list[Finding]:
    """Check that is_active shows which employees have left."""
    if (says := everybody_is_active(facts, database)) is not None:
        return [note("employees", says, "see docs/how-to/existing-table.md before you reconcile or provision")]
    if "is_active" in facts["generated"]:
        says = "is_active is generated: this service reads it and cannot change it"
        return [note("employees", says, "change the columns from which it is generated")]
    return []


def is_active_warning(database: Database) -> str | None:
    """Return a warning if every employee counts as active because this service added is_active, or None."""
    return everybody_is_active(database.call("auth_sync_employees_table_v1"), database)


def everybody_is_active(facts: Json, database: Database) -> str | None:
    if not facts["is_active_is_added"] or database.call("auth_sync_anyone_left_v1"):
        return None
    says = EVERYBODY_WITH_HINT if facts["leavers"] else EVERYBODY
    return says.format(columns=", ".join(facts["leavers"]))


def auth_columns(facts: Json) -> list[Finding]:
    """Check that auth.users has the columns that this service reads."""
    lacks = (facts["auth"] or {}).get("lacks")
    if lacks:
        says = "no change is captured, because Auth is older than this service needs. auth.users lacks: {columns}"
        return [
            wrong("source", says.format(columns=", ".join(lacks)), "update Supabase Auth, then reconcile", RECONCILE)
        ]
    return []
