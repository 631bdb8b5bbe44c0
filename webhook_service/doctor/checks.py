"""Checks the installation. `auth_sync_inspect_v1` returns facts, from which this module derives findings."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx

from webhook_service.db import migrate
from webhook_service.doctor.findings import MIGRATE, MIGRATE_AND_RECONCILE, RECONCILE, Finding, note, ok, wrong
from webhook_service.errors import BadSignature, ServiceError
from webhook_service.events import Json
from webhook_service.inbound import signature
from webhook_service.inbound.signature import TOLERANCE_SECONDS, Secret
from webhook_service.ledger import comparison
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.wording.counts import counted, describe

MAX_CLOCK_DIFFERENCE_SECONDS = 30
"""A tenth of the signature's tolerance."""

MAX_PENDING_AGE_SECONDS = 120
MAX_SILENCE_SECONDS = 300
"""The largest time by which the newest user of auth.users may be newer than the newest event."""

PROBE_TIMEOUT_SECONDS = 3.0

SEND_TO = "select auth_sync_send_to('https://YOUR-HOST/webhook/auth', 'whsec_...')"
IN_SQL = "run this in Supabase's SQL editor"

SETTINGS = ("NAME_FIELDS", "EMAIL_OWNER", "MASS_DEACTIVATION_LIMIT")
"""The settings that `migrate` stores for the triggers."""


def database(facts: Json) -> Finding:
    """Check that the database accepts writes. Supabase makes it read-only when its disk is full."""
    if facts.get("is_read_only"):
        todo = (
            "free or enlarge the disk, or wait for the end of the failover; nothing is captured or applied until then"
        )
        return wrong("database", "the database is read-only: its disk is full, or it is a replica", todo)
    return ok("database", "it answers and accepts writes")


def source(facts: Json) -> list[Finding]:
    """Check that the SQL functions can read auth.users."""
    if not facts["has_auth_users"]:
        todo = "events arrive by webhook only: see docs/how-to/send-events.md"
        return [note("source", "this database has no auth.users", todo)]
    if not (facts["sees_auth_users"] and facts["owner_sees_all"]):
        todo = "migrate as the project's role postgres: the functions' owner must see all of auth.users"
        return [wrong("source", "this service's functions cannot read auth.users", todo, MIGRATE)]
    return []


def triggers(facts: Json) -> Finding:
    """Check that the triggers exist, are enabled and are up to date."""
    misconfigured = sorted(name for name, is_right in facts["triggers"].items() if not is_right)
    if misconfigured:
        says = f"missing, disabled or out of date: {', '.join(misconfigured)}"
        return wrong("triggers", says, "migrate, then reconcile", MIGRATE_AND_RECONCILE)
    return ok("triggers", "all are in place and enabled")


def rights(facts: Json) -> list[Finding]:
    """Check that only service_role may use this service's tables and functions."""
    remedy = ("run this as the owner of the tables", "select auth_sync_secure_v1()")
    findings = []
    if facts["open_to_strangers"]:
        findings.append(
            wrong("rights", f"open to anon or authenticated: {', '.join(facts['open_to_strangers'])}", *remedy)
        )
    if facts["closed_to_service_role"]:
        closed = ", ".join(facts["closed_to_service_role"])
        findings.append(wrong("rights", f"service_role may not execute: {closed}", *remedy))
    return findings or [ok("rights", "only service_role has them")]


def employees_rights(facts: Json) -> list[Finding]:
    """Check that no other role can take over logins with its privileges on employees."""
    todo = "see what this command would change, and docs/how-to/protect-logins.md for policies, views and triggers"
    found = [wrong("employees_rights", each["says"], todo, migrate.PROTECT) for each in facts["open_employees"]]
    return found or [ok("employees_rights", "no other role decides about logins")]


def names(facts: Json, policy: Policy) -> Finding:
    """Check that the triggers have the same settings as this process."""
    stored = {"p_name_fields": facts["name_fields"], "p_columns": facts["columns"]}
    if stored != migrate.trigger_settings(policy) or facts["deactivation_limit"] != policy.deactivation_limit:
        says = f"one of these settings of the triggers is not as set here: {', '.join(SETTINGS)}"
        todo = "migrate with the settings of the service, then reconcile"
        return wrong("settings", says, todo, MIGRATE_AND_RECONCILE)
    return ok("settings", f"these settings of the triggers are as set here: {', '.join(SETTINGS)}")


def clock(facts: Json, moment: datetime) -> Finding:
    """Check the database's clock. `moment` is this machine's time at which the database read its clock."""
    difference = facts["now"] - moment.timestamp()
    if abs(difference) > MAX_CLOCK_DIFFERENCE_SECONDS:
        todo = f"set this machine's clock: signatures are refused if it differs by more than {TOLERANCE_SECONDS} s"
        return wrong("clock", f"{difference:+.0f} s from the database's", todo)
    return ok("clock", f"it differs from the database's by {abs(difference):.1f} s")


def sender(facts: Json) -> list[Finding]:
    """Check that the database posts captured events."""
    if facts["webhook_url"] is None:
        return [note("sender", "events are not posted; the relay applies them", f"to post them, {IN_SQL}", SEND_TO)]
    missing = [name for name in ("pg_net", "pgcrypto", "vault") if not facts[f"has_{name}"]]
    if missing:
        says = f"nothing is posted, because extensions are missing: {', '.join(missing)}"
        return [wrong("sender", says, "enable them under Database > Extensions")]
    if not facts["has_secret"]:
        return [wrong("sender", "the secret is not in the vault, or this service may not read it", IN_SQL, SEND_TO)]
    findings = [ok("sender", f"the database posts events to {without_password(facts['webhook_url'])}")]
    if facts["pg_net_worker_is_up"] is False:
        says = f"its worker does not run; {facts['pg_net_waiting']} requests wait"
        todo = "restart it; meanwhile the relay applies the events"
        findings.append(wrong("pg_net", says, todo, "select net.worker_restart()"))
    if facts["pg_net_refused"]:
        counts = ", ".join(f"{count} times {status}" for status, count in sorted(facts["pg_net_refused"].items()))
        todo = "read the reasons in the log of the service, and in net._http_response"
        says = f"responses other than 200 in the last hour (to all webhooks of this database): {counts}"
        findings.append(note("pg_net", says, todo))
    return findings


def round_trip(database: Database, url: str, secrets: Sequence[Secret], now: Callable[[], datetime]) -> list[Finding]:
    """Check the signatures and the URL of the sender with a probe.

    The database signs the probe. This process verifies the signature, and posts the probe to the URL. The probe is not
    an event, so this service answers 422.
    """
    try:
        probe = database.call("auth_sync_signed_probe_v1")
        headers, body = probe["headers"], probe["body"].encode()
        signature.verify(secrets, headers, body, now=now())
    except BadSignature as error:
        todo = "pass the secrets of WEBHOOK_SECRETS; until then the relay applies every event"
        return [wrong("secret", f"this service refuses the database's signature ({error.reason})", todo, SEND_TO)]
    except ServiceError as error:
        return [wrong("secret", f"the database cannot sign ({error.reason})", IN_SQL, SEND_TO)]
    verified = ok("secret", "this service accepts the database's signature")
    try:
        response = httpx.post(url, content=body, headers=headers, timeout=PROBE_TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: an invalid host name
        todo = "check that the URL is right, and reachable from the internet"
        return [verified, note("url", f"cannot be reached from here ({type(error).__name__})", todo)]
    if response.status_code != 422:
        todo = "the URL must be this service's /webhook/auth, without redirects, and the service must have the secret"
        return [verified, wrong("url", f"answers {response.status_code} to a correctly signed request", todo)]
    return [verified, ok("url", "it accepts the database's signature")]


def backlog(facts: Json) -> list[Finding]:
    """Check for events that wait too long or need attention."""
    age = facts["oldest_pending_seconds"] or 0
    says = f"{facts['pending']} pending; {facts['retrying']} failed, to be retried"
    if facts["pending"]:
        says = f"{says}; the oldest has waited for {describe(age)}"
    findings = [
        wrong("backlog", says, "check that a relay runs, and read the warnings in its log")
        if age > MAX_PENDING_AGE_SECONDS
        else ok("backlog", says),
    ]
    if facts["needs_attention"]:
        todo = "open the inbox (/admin/inbox), fix the cause, then replay"
        one, many = "{count} event failed, and is no longer retried", "{count} events failed, and are no longer retried"
        says = counted(facts["needs_attention"], one, many)
        findings.append(wrong("needs_attention", says, todo, "webhook-service replay --status FAILED"))
    return findings


def silence(facts: Json) -> Finding:
    """Check that the newest auth user has an event."""
    newest, last = facts.get("newest_user_at"), facts["last_event_at"]
    if facts["has_auth_users"] and newest is None and last is not None:
        return ok("silence", "auth.users has no user to compare with")
    if newest is not None and newest - (last or 0) > MAX_SILENCE_SECONDS:
        says = (
            "auth.users has a user that is newer than the last event"
            if last
            else "auth.users has users, but no event has ever arrived"
        )
        return wrong("silence", says, "reconcile, and see the finding about the triggers", RECONCILE)
    return ok("silence", "the newest user has an event")


def last_reconcile(facts: Json) -> Finding:
    """Report the last reconcile run."""
    last = facts["last_reconcile"]
    if last is None:
        return ok("reconcile", "it has never run")  # the check `drift` says whether a run is needed
    says = f"{describe(last['seconds_ago'])} ago: {last['outcome'] or 'in progress'}"
    if last["status"] == "FAILED":
        return note("reconcile", says, "run it again", RECONCILE)
    return ok("reconcile", says)


def compared(facts: Json) -> list[Finding]:
    """Check the last comparison of auth users with employees. `facts` is the result of `auth_sync_compared_v1`."""
    if not facts["can_compare"]:
        return []
    if (says := comparison.problem(facts)) is not None:
        return [note("comparison", says, "compare and correct them; the command asks before it bans logins", RECONCILE)]
    return [ok("comparison", f"the last one was {describe(facts['seconds'])} ago")]


def drift(database: Database, policy: Policy) -> list[Finding]:
    """Compare all users without changing them. Raises NotPossible, Unavailable, DatabaseError."""
    compared = reconcile(database, policy, requested_by="doctor", dry_run=True)
    if compared.differences:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(compared.differences.items()))
        says = f"differences among {compared.users} auth users: {counts}"
        return [wrong("drift", says, "correct them", RECONCILE)]
    return [ok("drift", f"none among {compared.users} auth users")]


def without_password(url: str) -> str:
    """Remove the user and password from a URL."""
    return re.sub(r"//[^/@]*@", "//", url)
