"""Checks what is installed against what should be. What is found is the database's word; what it means is said here."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx

from webhook_service.db import migrate
from webhook_service.doctor import auth_checks
from webhook_service.doctor.findings import Finding, note, ok, wrong
from webhook_service.errors import BadSignature, ServiceError
from webhook_service.events import Json
from webhook_service.inbound import signature
from webhook_service.inbound.signature import TOLERANCE_SECONDS, Secret
from webhook_service.ledger.reconcile import reconcile
from webhook_service.ledger.wording import describe
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, Database

MAX_CLOCK_DIFFERENCE = 30
"""Seconds. The signature's tolerance is ten times that."""

MAX_RELAY_SILENCE = 120
MAX_PENDING_AGE = 120
MAX_SILENCE = 300
"""Seconds that auth.users may be ahead of the ledger."""

PROBE_TIMEOUT = 5.0


def examine(
    database: Database,
    policy: Policy,
    secrets: Sequence[Secret],
    *,
    now: Callable[[], datetime],
    compare: bool,
    admin: AuthAdmin | None = None,
    destinations: int | None = None,
) -> list[Finding]:
    """All findings, in the order in which to mend them. `compare` also counts what differs, which reads all users.

    `secrets` are the receiver's; `admin` is the Auth Admin API, where one is configured; `destinations` is how many
    NOTIFY_URLS has, where that is asked. Raises Unavailable where the
    database cannot be asked at all.
    """
    wanted = migrate.wanted()
    if (gap := migrate.gap(database, wanted)) is not None:
        return [wrong("migrations", gap, "run `webhook-service migrate`")]
    asked = now()
    facts = database.call("auth_sync_inspect_v1")
    moment = asked + (now() - asked) / 2
    if facts is None:
        todo = "run `webhook-service migrate`, then `webhook-service reconcile`"
        return [wrong("settings", "auth_sync_settings has lost its row: nothing is captured", todo)]
    return [
        ok("migrations", f"at {wanted.migration}, functions {wanted.functions}"),
        *source(facts),
        triggers(facts),
        *rights(facts),
        names(facts, policy),
        clock(facts, moment),
        *sender(facts),
        *(
            round_trip(database, facts["webhook_url"], secrets, now)
            if facts["webhook_url"] and facts["has_secret"]
            else []
        ),
        relay_runs(facts),
        *backlog(facts),
        *auth_checks.auth(admin, facts),
        silence(facts),
        last_reconcile(facts),
        *(notices(destinations) if destinations is not None else []),
        *(drift(database, policy) if compare and facts["has_auth_users"] else []),
    ]


def source(facts: Json) -> list[Finding]:
    if not facts["has_auth_users"]:
        return [note("source", "this database has no auth.users", "events arrive by webhook only: see docs/sending.md")]
    if not (facts["sees_auth_users"] and facts["owner_sees_all"]):
        todo = "migrate as the project's role postgres: the functions' owner must see all of auth.users"
        return [wrong("source", "our functions cannot read auth.users", todo)]
    return []


def triggers(facts: Json) -> Finding:
    crooked = sorted(name for name, is_right in facts["triggers"].items() if not is_right)
    if crooked:
        todo = "run `webhook-service migrate`, then `webhook-service reconcile`"
        return wrong("triggers", f"missing, switched off or out of date: {', '.join(crooked)}", todo)
    return ok("triggers", "in place")


def rights(facts: Json) -> list[Finding]:
    todo = "run `select auth_sync_secure_v1()` as the owner"
    findings = []
    if facts["open_to_strangers"]:
        findings.append(
            wrong("rights", f"open to anon or authenticated: {', '.join(facts['open_to_strangers'])}", todo)
        )
    if facts["closed_to_service_role"]:
        closed = ", ".join(facts["closed_to_service_role"])
        findings.append(wrong("rights", f"service_role may not execute {closed}", todo))
    return findings or [ok("rights", "for service_role alone")]


def names(facts: Json, policy: Policy) -> Finding:
    if {"p_name_fields": facts["name_fields"], "p_columns": facts["columns"]} != migrate.trigger_settings(policy):
        todo = "run `webhook-service migrate` with the settings that the service has, then `webhook-service reconcile`"
        return wrong("settings", "the triggers were told another NAME_FIELDS or EMAIL_OWNER than is set here", todo)
    return ok("settings", "the triggers know NAME_FIELDS and EMAIL_OWNER as they are set here")


def clock(facts: Json, moment: datetime) -> Finding:
    difference = facts["now"] - moment.timestamp()
    if abs(difference) > MAX_CLOCK_DIFFERENCE:
        todo = f"set this machine's clock: signatures are refused from {TOLERANCE_SECONDS} s on"
        return wrong("clock", f"{difference:+.0f} s from the database's", todo)
    return ok("clock", f"{difference:+.1f} s from the database's")


def sender(facts: Json) -> list[Finding]:
    """Whether the database posts what it captures."""
    set_up = "select auth_sync_send_to('https://YOUR-HOST/webhook/auth', 'whsec_...')"
    if facts["webhook_url"] is None:
        return [note("sender", "events are not posted; the relay carries them", f"to post them: {set_up}")]
    missing = [name for name in ("pg_net", "pgcrypto", "vault") if not facts[f"has_{name}"]]
    if missing:
        return [
            wrong("sender", f"without {', '.join(missing)} nothing is posted", "enable it under Database > Extensions")
        ]
    if not facts["has_secret"]:
        return [wrong("sender", "the secret is gone from the vault, or hidden from us", set_up)]
    findings = [ok("sender", f"posts to {without_password(facts['webhook_url'])}")]
    if facts["pg_net_worker_is_up"] is False:
        todo = "restart it: `select net.worker_restart()`; the relay carries the events meanwhile"
        findings.append(wrong("pg_net", f"its worker does not run; {facts['pg_net_waiting']} requests wait", todo))
    if facts["pg_net_refused"]:
        counts = ", ".join(f"{count} times {status}" for status, count in sorted(facts["pg_net_refused"].items()))
        todo = "see the log of the service for the reasons, and net._http_response"
        findings.append(note("pg_net", f"answers in the last hour that were not 200 (of all webhooks): {counts}", todo))
    return findings


def round_trip(database: Database, url: str, secrets: Sequence[Secret], now: Callable[[], datetime]) -> list[Finding]:
    """The database signs, this receiver verifies; then the same is posted to the URL, as the trigger would."""
    try:
        probe = database.call("auth_sync_signed_probe_v1")
        headers, body = probe["headers"], probe["body"].encode()
        signature.verify(secrets, headers, body, now=now())
    except BadSignature as error:
        todo = "give auth_sync_send_to the secrets that WEBHOOK_SECRETS has; until then the relay carries every event"
        return [wrong("secret", f"what the database signs is refused here ({error.reason})", todo)]
    except ServiceError as error:
        return [wrong("secret", f"the database cannot sign ({error.reason})", "call auth_sync_send_to again")]
    agreed = ok("secret", "the database's signature is ours")
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=PROBE_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: a host that is no host
        todo = "see that the URL is right, and reachable from the internet"
        return [agreed, note("url", f"cannot be reached from here ({type(error).__name__})", todo)]
    if answer.status_code != 422:  # signed, understood, and no event
        todo = "the URL must be this service's /webhook/auth, without redirects, and the service must have the secret"
        return [agreed, wrong("url", f"answers {answer.status_code} to what is rightly signed", todo)]
    return [agreed, ok("url", "takes what the database signs")]


def relay_runs(facts: Json) -> Finding:
    silent = facts["relay_last_run_seconds"]
    if silent is None or silent > MAX_RELAY_SILENCE:
        says = "none has ever run" if silent is None else f"none has run for {describe(silent)}"
        return wrong("relay", says, "run `webhook-service relay`, or `serve` without RELAY=off")
    return ok("relay", f"ran {describe(silent)} ago")


def backlog(facts: Json) -> list[Finding]:
    age = facts["oldest_pending_seconds"] or 0
    waiting = f"{facts['pending']} pending, the oldest for {describe(age)}" if facts["pending"] else "nothing pending"
    says = f"{waiting}; {facts['retrying']} failed, to be tried again"
    findings = [
        wrong("backlog", says, "see that a relay runs, and what it logs as `relay pass failed` or `not applied`")
        if age > MAX_PENDING_AGE
        else ok("backlog", says),
    ]
    if facts["needs_attention"]:
        todo = "see /admin/api/events?status=FAILED, mend the cause, `webhook-service replay --status FAILED`"
        findings.append(
            wrong("needs_attention", f"{facts['needs_attention']} events have failed for days and are given up", todo)
        )
    return findings


def silence(facts: Json) -> Finding:
    """The source has moved, and nothing came."""
    newest, last = facts.get("newest_user_at"), facts["last_event_at"]
    if facts["has_auth_users"] and newest is None and last is not None:
        return ok("silence", "no newest user to compare with")
    if newest is not None and newest - (last or 0) > MAX_SILENCE:
        says = (
            "auth.users has newer users than the last event" if last else "auth.users has users, and no event ever came"
        )
        return wrong("silence", says, "run `webhook-service reconcile`, and see the triggers above")
    return ok("silence", "no user came without an event")


def last_reconcile(facts: Json) -> Finding:
    last = facts["last_reconcile"]
    if last is None:
        return ok("reconcile", "it has never run")  # whether it is needed is what `drift` says
    says = f"{describe(last['seconds_ago'])} ago: {last['outcome'] or 'under way'}"
    if last["status"] == "FAILED":
        return note("reconcile", says, "run `webhook-service reconcile` again")
    return ok("reconcile", says)


def notices(destinations: int) -> list[Finding]:
    if not destinations:
        todo = "set NOTIFY_URLS (docs/notifications.md), then run `webhook-service notify --test`"
        return [note("notices", "nobody is told when something fails or waits", todo)]
    return [ok("notices", f"sent to {destinations} of NOTIFY_URLS")]


def drift(database: Database, policy: Policy) -> list[Finding]:
    compared = reconcile(database, policy, requested_by="doctor", dry_run=True)
    if compared.differences:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(compared.differences.items()))
        return [wrong("drift", f"of {compared.users} auth users differ: {counts}", "run `webhook-service reconcile`")]
    return [ok("drift", f"none among {compared.users} auth users")]


def without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)
