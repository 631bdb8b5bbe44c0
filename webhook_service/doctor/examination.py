"""Runs all checks of an installation. An error of one check becomes a finding, and the other checks still run."""

from collections.abc import Callable, Sequence
from datetime import datetime

from webhook_service.db import migrate
from webhook_service.doctor import (
    auth_checks,
    checks,
    directory_checks,
    employees_checks,
    key_checks,
    relay_checks,
    settings_checks,
    table_checks,
)
from webhook_service.doctor.findings import MIGRATE, MIGRATE_AND_RECONCILE, Finding, Level, ok, unknown, wrong
from webhook_service.errors import DatabaseError, ServiceError
from webhook_service.events import Json
from webhook_service.inbound.signature import Secret
from webhook_service.ledger import comparison
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, AuthSettings, Database
from webhook_service.settings import NoticeSettings, PageSettings, SupabaseConnection

Check = Callable[[], Finding | list[Finding]]


def examine(
    database: Database | None,
    policy: Policy | None,
    secrets: Sequence[Secret],
    *,
    now: Callable[[], datetime],
    compare: bool,
    admin: AuthAdmin | None = None,
    project: SupabaseConnection | None = None,
    pages: PageSettings | None = None,
    notices: NoticeSettings | None = None,
) -> list[Finding]:
    """Return all findings, in the order in which to fix them.

    `database`, `policy`, `pages` and `notices` are None, and `secrets` is empty, if their settings are unusable. Their
    checks are then skipped. `secrets` are the secrets of the receiver. `compare` also counts the differences, which
    reads all users. `admin` is None if the Auth Admin API is not configured. `project` is None if no Supabase project
    is configured.
    """
    findings: list[Finding] = []
    if project is not None:
        findings += attempted("key", lambda: key_checks.key(project.url, project.service_role_key, now()))
    facts: Json = None
    if database is not None:
        calling = database
        called_at = now()
        facts, found = installation(calling, project)
        findings += found
        moment = called_at + (now() - called_at) / 2
        if facts is not None:
            findings += of_database(calling, facts, policy, secrets, now, moment)
    findings += (reached := attempted("auth", lambda: auth_checks.reachable(admin)))
    if facts is not None and policy is not None and (admin is None or isinstance(admin, AuthSettings)):
        known, used = facts, policy
        readable = admin if reached[0].level is Level.OK else None
        findings += attempted("autoconfirm", lambda: auth_checks.autoconfirm(readable, known, used))
    if facts is not None:
        findings += attempted("actions", lambda: [*auth_checks.actions(facts), *auth_checks.sessions(facts)])
        findings += attempted("held_bans", lambda: auth_checks.held(facts))
        findings += attempted("silence", lambda: checks.silence(facts))
        findings += attempted("reconcile", lambda: checks.last_reconcile(facts))
        findings += attempted("comparison", lambda: checks.compared(comparison.current(calling)))
        findings += attempted("directories", lambda: directory_checks.directories(calling, now()))
    findings += of_settings(pages, notices, database if facts is not None else None, has_auth=admin is not None)
    if compare and database is not None and policy is not None and facts is not None and facts["has_auth_users"]:
        findings += attempted("drift", lambda: checks.drift(calling, policy))
    return findings


def installation(database: Database, project: SupabaseConnection | None) -> tuple[Json, list[Finding]]:
    """Check that the database responds and has this version's schema.

    Returns the result of `auth_sync_inspect_v1`, which is None if the database cannot be examined, and the findings.
    """
    wanted = migrate.wanted()
    try:
        if (gap := migrate.gap(database, wanted)) is not None:
            is_elsewhere = "; or is SUPABASE_URL another project's?" if project and gap.startswith("at 0") else ""
            missing = wrong("migrations", gap, f"create the tables and functions{is_elsewhere}", MIGRATE)
            return None, [ok("database", "it answers"), missing]
        facts = database.call("auth_sync_inspect_v1")
    except ServiceError as error:
        return None, [failed("database", error)]
    if facts is None:
        says = "the table auth_sync_settings has no row: nothing is captured"
        return None, [wrong("settings", says, "migrate, then reconcile", MIGRATE_AND_RECONCILE)]
    return facts, [
        checks.database(facts),
        ok("migrations", f"up to date: migration {wanted.migration}, functions {wanted.functions}"),
    ]


def of_database(
    database: Database,
    facts: Json,
    policy: Policy | None,
    secrets: Sequence[Secret],
    now: Callable[[], datetime],
    moment: datetime,
) -> list[Finding]:
    """Return the findings of the checks that need the database, except the checks of actions and drift."""
    steps: dict[str, Check] = {
        "schema": lambda: table_checks.schema(database),
        "employees": lambda: table_checks.employees(database, facts),
        "source": lambda: checks.source(facts),
        "triggers": lambda: checks.triggers(facts),
        "rights": lambda: checks.rights(facts),
        "employees_rights": lambda: checks.employees_rights(facts),
        "clock": lambda: checks.clock(facts, moment),
        "sender": lambda: checks.sender(facts),
        "relay": lambda: relay_checks.relay(facts),
        "backlog": lambda: checks.backlog(facts),
        "e-mails": lambda: employees_checks.emails(database, facts),
    }
    if policy is not None:
        steps["settings"] = lambda: checks.names(facts, policy)
    if facts["webhook_url"] and facts["has_secret"] and secrets:
        steps["secret"] = lambda: checks.round_trip(database, facts["webhook_url"], secrets, now)
    return [finding for name in ORDER if name in steps for finding in attempted(name, steps[name])]


def of_settings(
    pages: PageSettings | None, notices: NoticeSettings | None, database: Database | None, *, has_auth: bool
) -> list[Finding]:
    """Return the findings about the optional settings. `database` is None if it cannot be examined."""
    findings: list[Finding] = []
    if pages is not None:
        findings += attempted("admins", lambda: settings_checks.admins(pages, database, has_auth=has_auth))
        findings += attempted("public_url", lambda: settings_checks.public_url(pages.public_url))
    if notices is not None:
        findings += attempted("notices", lambda: settings_checks.notices(notices))
    return findings


ORDER = (
    *("schema", "employees", "source", "triggers", "rights", "employees_rights", "settings", "clock"),
    *("sender", "secret", "relay", "backlog", "e-mails"),
)


def attempted(name: str, check: Check) -> list[Finding]:
    """Run a check. If it raises an error, return the finding that the check failed."""
    try:
        found = check()
    except ServiceError as error:
        return [failed(name, error)]
    except Exception as error:  # noqa: BLE001 (an unforeseen error of one check must not hide the other findings)
        return [unknown(name, f"could not be checked ({type(error).__name__})", "report this as a bug")]
    return [found] if isinstance(found, Finding) else found


def failed(name: str, error: ServiceError) -> Finding:
    """Return the finding of a check that raised an error. It is `wrong` if a retry does not help."""
    says = f"could not be checked: {error.detail}"
    if isinstance(error, DatabaseError):
        return wrong(name, says, "fix this first, then run `webhook-service doctor` again")
    return unknown(name, says, "see the other findings, and run `webhook-service doctor` again")
