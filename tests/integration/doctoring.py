"""Doctor on a real database, and helpers that check its findings."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from tests.auth_traffic import SECRET
from webhook_service.doctor.examination import examine
from webhook_service.doctor.findings import Finding, Level
from webhook_service.events import Json
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, Database

ANSWERING = cast(AuthAdmin, SimpleNamespace(get=lambda auth_user_id: None))
"""An Auth Admin API for doctor's check, which responds but does not have the user."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def examined(
    database: Database,
    *,
    policy: Policy | None = None,
    secret: str = SECRET,
    now: Callable[[], datetime] = utc_now,
    compare: bool = True,
    admin: AuthAdmin | None = ANSWERING,
) -> list[Finding]:
    return examine(database, policy or Policy(), parse_secrets(secret), now=now, compare=compare, admin=admin)


def relayed(database: Database) -> Mapping[str, int]:
    """Record a comparison, run a pass of a relay, and return the outcomes of the due events."""
    compared: Json = {"users": 0, "differences": {}, "planned": {}, "shown": []}
    database.call("auth_sync_note_comparison_v1", p_who="test", p_is_dry=True, p_result=compared)
    return run_once(database, Policy(), name="test").outcomes


def problems(findings: list[Finding]) -> list[tuple[str, Level]]:
    """Return check and level of the findings that are not ok, after checking that each says what to do."""
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert [finding for finding in found if not finding.todo] == []
    return [(finding.check, finding.level) for finding in found]


def found(findings: list[Finding], check: str) -> Any:
    """Return the only finding of this check."""
    [finding] = [finding for finding in findings if finding.check == check]
    return finding
