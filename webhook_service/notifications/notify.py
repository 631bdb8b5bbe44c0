"""The relay's loop for notices, which reads the conditions from the database, decides on notices, and sends them.

A decision is stored with its message before the message is sent. A relay claims the message under a lease and sends it.
So only one of many relays decides, and only one sends. A message that could not be sent is retried later. A crash may
repeat a message, but does not lose it. Sending does not use a database connection, and does not delay other loops.
"""

import logging
import secrets
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime

from webhook_service.events import Json
from webhook_service.loops import PassResult
from webhook_service.notifications.decide import Condition, Decision, Kind, Remembered, decide
from webhook_service.notifications.destinations import TIMEOUT_SECONDS, Destination, Level, destinations, send
from webhook_service.notifications.links import FailingLink, failing_link
from webhook_service.notifications.text import Message, message
from webhook_service.ports import Database
from webhook_service.settings import NoticeSettings, PageSettings

log = logging.getLogger(__name__)

POLL_SECONDS = 30.0

LEASE_SECONDS = 120
"""The lease of a message. Sending a message takes only a fraction of this time."""

MAX_PASS_SECONDS = 3.0
"""The time after which a pass sends no further message, so that it does not delay a stop. The next pass continues."""

TIMES = ("opened_at", "gone_at", "reported_at")


@dataclass(frozen=True, slots=True)
class Notifier:
    """Decides on notices and sends them to the destinations `to`.

    `with_actions` says whether this service performs actions. If it does not, waiting actions do not count as a
    backlog. Without a `public_url` or `docs_url`, a message names a path instead of a link. `key` signs links and
    fingerprints destinations. `timeout` is the time limit in seconds of all destinations together for a message. Titles
    have the `instance_name`.
    """

    database: Database
    to: tuple[Destination, ...]
    settings: NoticeSettings
    with_actions: bool
    public_url: str | None
    key: bytes = field(repr=False)
    timeout: float = TIMEOUT_SECONDS
    instance_name: str = ""
    docs_url: str | None = None

    def run_once(self, relay: str) -> PassResult:
        """Decide on notices, and send due messages.

        A message that cannot be sent is retried later, and does not cause an error. Raises Unavailable, DatabaseError.
        """
        now = self.decide()
        ends = time.monotonic() + MAX_PASS_SECONDS
        while time.monotonic() < ends and self.send_one(relay, now):
            pass
        return PassResult()

    def decide(self) -> datetime:
        """Decide on notices, store them, and return the database's time. Raises Unavailable, DatabaseError."""
        hours = self.settings.silence_hours
        seen = self.database.call(
            "auth_sync_conditions_v1",
            p_backlog_seconds=self.settings.backlog_minutes * 60,
            p_silence_seconds=hours * 3600 if hours is not None else None,
            p_with_actions=self.with_actions,
        )
        now = datetime.fromisoformat(seen["now"])
        conditions = {Kind(kind): condition_of(facts) for kind, facts in seen["conditions"].items() if facts}
        before = {Kind(row["kind"]): row for row in seen["remembered"]}
        remembered = {kind: remembered_of(row) for kind, row in before.items()}
        watched = frozenset(Kind) if hours is not None else frozenset(Kind) - {Kind.SILENCE}
        for decision in decide(conditions, remembered, watched=watched, now=now):
            kind = decision.kind
            reported = None
            if decision.step is not None:
                reported = message(decision, conditions.get(kind), remembered[kind].opened_at, now)
            self._remember(decision, before[kind]["revision"], reported)
        return now

    def _remember(self, decision: Decision, revision: int, reported: Message | None) -> None:
        state = asdict(decision.remembered)
        state |= {name: state[name].isoformat() for name in TIMES if state[name] is not None}
        is_ours = self.database.call(
            "auth_sync_remember_notice_v1",
            p_kind=decision.kind,
            p_revision=revision,
            p_state=state,
            p_message=asdict(reported) if reported is not None else None,
        )
        if is_ours and reported is not None:
            log.info("notice", extra={"kind": decision.kind, "step": decision.step, "title": reported.title})

    def send_one(self, relay: str, now: datetime) -> bool:
        """Send a due message to the destinations that have not received it. Return False if no message is due.

        Raises Unavailable, DatabaseError.
        """
        due = self.database.call("auth_sync_claim_notice_v1", p_relay=relay, p_lease_seconds=LEASE_SECONDS)
        if due is None:
            return False
        kind, reported = Kind(due["kind"]), message_of(due["message"])
        reached = set(due["reached"])
        left = [one for one in self.to if one.fingerprint(self.key) not in reached]
        title = f"[{' '.join(filter(None, ['Auth sync', self.instance_name]))}] {reported.title}"
        body = reported.body(kind, self.link(kind, reported.since_id, now), self.docs_url)

        def late(one: Destination) -> None:
            """Record a destination that accepted the message after the timeout, so that it is not sent again."""
            fingerprint = one.fingerprint(self.key)
            self.database.call("auth_sync_reached_v1", p_kind=kind, p_message=due["message"], p_destination=fingerprint)

        level = Level.SUCCESS if reported.is_resolved else Level.FAILURE
        accepted = send(left, title, body, level=level, timeout=self.timeout, late=late)
        if missed := [one.name for one in left if one not in accepted]:
            log.warning("notice not sent", extra={"kind": kind, "destinations": missed})
        reached |= {one.fingerprint(self.key) for one in accepted}
        self.database.call(
            "auth_sync_notice_sent_v1", p_kind=kind, p_relay=relay, p_reached=sorted(reached), p_is_done=not missed
        )
        return True

    def link(self, kind: Kind, since_id: int, now: datetime) -> str | None:
        """Return the link of a message, or None without a `public_url`."""
        if self.public_url is None:
            return None
        return failing_link(self.public_url, self.key, FailingLink(kind, since_id), now=now)


def notifier(
    database: Database, settings: NoticeSettings, pages: PageSettings, admin_api_key: str | None, *, with_actions: bool
) -> Notifier | None:
    """Return the notifier, or None if there are no destinations.

    A relay may run without ADMIN_API_KEY. If SECRET_KEY is also not set, its messages have no links, because no page
    could verify the links. Raises ValueError for an unusable URL, which `config` has refused before.
    """
    if not settings.urls:
        return None
    can_sign = bool(pages.secret_key or admin_api_key)
    key = pages.signing_key(admin_api_key or "") if can_sign else secrets.token_bytes(32)
    public_url = pages.public_url if can_sign else None
    return Notifier(
        database,
        destinations(settings.urls),
        settings,
        with_actions,
        public_url,
        key,
        instance_name=pages.instance_name,
        docs_url=pages.docs_url,
    )


def condition_of(facts: Json) -> Condition:
    """Convert a condition of `auth_sync_conditions_v1`."""
    waiting = facts.get("events", 0) + facts.get("actions", 0)
    return Condition(
        count=int(facts.get("count", waiting)),
        since_id=int(facts.get("oldest_id", 0)),
        mark=int(facts.get("run", 0)),
        facts=facts,
    )


def remembered_of(row: Json) -> Remembered:
    """Convert a row of `auth_sync_notices` that `auth_sync_conditions_v1` returned."""
    times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in TIMES}
    return Remembered(
        is_open=row["is_open"],
        reported_times=row["reported_times"],
        reported_count=row["reported_count"],
        mark=row["mark"],
        **times,
    )


def message_of(reported: Json) -> Message:
    """Convert a stored message."""
    is_resolved = bool(reported.get("is_resolved"))  # absent in a message that an earlier version has stored
    return Message(reported["title"], tuple(reported["lines"]), reported["since_id"], is_resolved)
