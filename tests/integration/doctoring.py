"""Doctor on a real database, and what a test looks at of its findings."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.auth_traffic import SECRET
from webhook_service.doctor import examine
from webhook_service.findings import Finding, Level
from webhook_service.handlers import Policy
from webhook_service.ports import Database
from webhook_service.relay import run_once
from webhook_service.signature import parse_secrets


def utc_now() -> datetime:
    return datetime.now(UTC)


def examined(
    database: Database,
    *,
    policy: Policy | None = None,
    secret: str = SECRET,
    now: Callable[[], datetime] = utc_now,
    compare: bool = True,
) -> list[Finding]:
    return examine(database, policy or Policy(), parse_secrets(secret), now=now, compare=compare)


def relayed(database: Database) -> Mapping[str, int]:
    """One look of a relay, which so has run: what became of what was due."""
    return run_once(database, Policy(), name="test").outcomes


def troubles(findings: list[Finding]) -> list[tuple[str, Level]]:
    """Those that are not ok. Each says what to do."""
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert [finding for finding in found if not finding.todo] == []
    return [(finding.check, finding.level) for finding in found]


def found(findings: list[Finding], check: str) -> Any:
    """The only finding of this check."""
    [finding] = [finding for finding in findings if finding.check == check]
    return finding
