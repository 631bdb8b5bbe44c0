"""The page /admin/setup, which shows doctor's findings except the comparison of all users, which takes long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, render_template

from webhook_service.doctor.examination import examine
from webhook_service.doctor.findings import Finding, Level
from webhook_service.settings import project_of
from webhook_service.web import Wiring
from webhook_service.web.shared_check import SharedCheck

DEADLINE_SECONDS = 7.0
KEEP_SECONDS = 5.0
"""The time for which all admins see the same findings, so that a reload does not call Auth again."""

GROUPS: dict[str, dict[str, str]] = {
    "Database": {
        "database": "Connection",
        "migrations": "Tables and functions",
        "schema": "Objects of this service",
        "employees": "Employees table",
        "source": "Access to logins",
        "triggers": "Triggers",
        "settings": "Settings of the triggers",
        "clock": "Clock",
        "rights": "Rights on this service",
        "employees_rights": "Rights on employees",
    },
    "Supabase Auth": {
        "key": "Key",
        "auth": "Auth Admin API",
        "autoconfirm": "Proof of e-mails",
        "sessions": "End of sessions",
    },
    "Events": {
        "sender": "Webhook",
        "secret": "Secret of the webhook",
        "url": "Address of the webhook",
        "pg_net": "Posting",
        "relay": "Relay",
        "loops": "Loops of the relay",
        "subscribers": "Subscribers",
        "comparison": "Comparison",
    },
    "People": {
        "admins": "Admins",
        "public_url": "Public address",
        "notices": "Notices",
        "directories": "Directories",
    },
}
"""The titles of the checks of the setup, by the title of their group."""

STEPS = (
    *("database", "migrations", "employees_rights", "auth", "autoconfirm", "sender", "relay", "comparison"),
    *("admins", "public_url", "notices"),
)
"""The checks that the page names even if they were not made."""

OTHERS = "Problems in operation"
"""The title of the group of the other findings, unless they are ok."""

NOT_CHECKED = "not checked"
STATES = {Level.OK: "ok", Level.NOTE: "warning", Level.WRONG: "wrong", Level.UNKNOWN: NOT_CHECKED}
NO_FINDING = "it was not checked, because an earlier check found a problem"


@dataclass(frozen=True, slots=True)
class Row:
    """One check on the page. `state` is ok, warning, wrong or not checked."""

    check: str
    title: str
    state: str
    says: str
    todo: str = ""
    command: str = ""


def blueprint(wiring: Wiring) -> Blueprint:
    views = Blueprint("setup", __name__, url_prefix="/admin/setup")
    checks = SharedCheck(lambda: examination(wiring), DEADLINE_SECONDS, KEEP_SECONDS)

    @views.get("")
    def page() -> str:
        try:
            at, findings = checks.result()
        except TimeoutError:
            return render_template("setup.html", at=None, groups={})
        groups = grouped(findings)
        steps = [(group, row) for group in GROUPS for row in groups[group]]
        return render_template(
            "setup.html",
            at=at,
            groups=groups,
            states=[row.state for _, row in steps],
            wrong=[(group, row) for group, row in steps if row.state == STATES[Level.WRONG]],
        )

    return views


def examination(wiring: Wiring) -> tuple[datetime, list[Finding]]:
    """Examine the installation, and return the time and the findings."""
    settings = wiring.settings
    findings = examine(
        wiring.database,
        settings.policy,
        settings.webhook_secrets,
        now=wiring.now,
        compare=False,
        admin=wiring.accounts.admin if wiring.accounts is not None else None,
        project=project_of(settings.connection, settings.auth),
        pages=settings.pages,
        notices=settings.notices,
    )
    return wiring.now(), findings


def grouped(findings: Sequence[Finding]) -> dict[str, list[Row]]:
    """Return the rows of each group. The other findings are in the last group, unless they are ok."""
    groups = {
        group: [shown for check, title in titles.items() for shown in rows_of(check, title, findings)]
        for group, titles in GROUPS.items()
    }
    named = {check for titles in GROUPS.values() for check in titles}
    others = [
        row(each, each.check.replace("_", " ").capitalize())
        for each in findings
        if each.check not in named and each.level is not Level.OK
    ]
    return groups | ({OTHERS: others} if others else {})


def rows_of(check: str, title: str, findings: Iterable[Finding]) -> list[Row]:
    """Return the rows of a check. A step without a finding was not checked."""
    found = [row(each, title) for each in findings if each.check == check]
    return found or ([Row(check, title, NOT_CHECKED, sentence(NO_FINDING))] if check in STEPS else [])


def row(finding: Finding, title: str) -> Row:
    says = sentence(finding.says)
    return Row(finding.check, title, STATES[finding.level], says, sentence(finding.todo), finding.command)


def sentence(text: str) -> str:
    """Return the text with a capital letter, unless it begins with a name such as auth.users, and with a full stop."""
    capital = text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
    return capital if text.endswith((".", "?")) or not text else f"{capital}."
