"""The notices' own look: asks the database what is so, decides what to tell, and sends what is to be sent.

What is decided is written down first, with its message; whoever takes the message under a lease sends it. So of many
relays one decides and one sends, and what could not be sent is sent later: a crash may repeat a message, and loses
none. No connection is held meanwhile, and nothing else waits for it.
"""

import logging
import secrets
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime

from webhook_service.events import Json
from webhook_service.loops import PassResult
from webhook_service.notifications.decide import Condition, Decision, Kind, Remembered, decide
from webhook_service.notifications.destinations import PATIENCE, Destination, destinations, send
from webhook_service.notifications.links import FailingLink, failing_link
from webhook_service.notifications.text import Message, message
from webhook_service.ports import Database
from webhook_service.settings import NoticeSettings, PageSettings

log = logging.getLogger(__name__)

EVERY = 30.0
"""Seconds between two looks."""

LEASE = 120
"""Seconds: many times what sending takes."""

BRISK = 3.0
"""Seconds: a look that has sent for longer than this leaves the rest to the next one, so that a stop is not held up."""

TIMES = ("opened_at", "gone_at", "reported_at")


@dataclass(frozen=True, slots=True)
class Notifier:
    """`key` signs links, and tells destinations apart; without a `public_url` a message says where to look instead.

    `with_actions`: whether actions are performed here, so that one that waits is worth telling.
    """

    database: Database
    to: tuple[Destination, ...]
    settings: NoticeSettings
    with_actions: bool
    public_url: str | None
    key: bytes = field(repr=False)
    patience: float = PATIENCE

    def run_once(self, relay: str) -> PassResult:
        """Raises Unavailable, DatabaseError. That nothing can be sent is no error: it is tried again."""
        now = self.decide()
        ends = time.monotonic() + BRISK
        while time.monotonic() < ends and self.send_one(relay, now):
            pass
        return PassResult()

    def decide(self) -> datetime:
        """Decides what to tell, and writes it down. Returns the database's time."""
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
        """Sends what is due to those who have not got it yet; False where nothing is due."""
        due = self.database.call("auth_sync_claim_notice_v1", p_relay=relay, p_lease_seconds=LEASE)
        if due is None:
            return False
        kind, reported = Kind(due["kind"]), message_of(due["message"])
        reached = set(due["reached"])
        left = [one for one in self.to if one.fingerprint(self.key) not in reached]
        title, body = (
            f"[webhook-service] {reported.title}",
            reported.body(kind, self.link(kind, reported.since_id, now)),
        )

        def late(one: Destination) -> None:
            """A slow server has taken it after all: it does not get it again."""
            fingerprint = one.fingerprint(self.key)
            self.database.call("auth_sync_reached_v1", p_kind=kind, p_message=due["message"], p_destination=fingerprint)

        taken = send(left, title, body, patience=self.patience, late=late)
        if missed := [one.name for one in left if one not in taken]:
            log.warning("notice not sent", extra={"kind": kind, "destinations": missed})
        reached |= {one.fingerprint(self.key) for one in taken}
        self.database.call(
            "auth_sync_notice_sent_v1", p_kind=kind, p_relay=relay, p_reached=sorted(reached), p_is_done=not missed
        )
        return True

    def link(self, kind: Kind, since_id: int, now: datetime) -> str | None:
        if self.public_url is None:
            return None
        return failing_link(self.public_url, self.key, FailingLink(kind, since_id), now=now)


def notifier(
    database: Database, settings: NoticeSettings, pages: PageSettings, admin_api_key: str | None, *, with_actions: bool
) -> Notifier | None:
    """None where there is nobody to tell. Raises ValueError where an URL cannot be used; config has tried them.

    A relay may run without ADMIN_API_KEY: then, and without SECRET_KEY, no page would know its links.
    """
    if not settings.urls:
        return None
    can_sign = bool(pages.secret_key or admin_api_key)
    key = pages.signing_key(admin_api_key or "") if can_sign else secrets.token_bytes(32)
    return Notifier(
        database, destinations(settings.urls), settings, with_actions, pages.public_url if can_sign else None, key
    )


def condition_of(facts: Json) -> Condition:
    """Of needs_attention, backlog, drift or silence, as the database tells it."""
    waiting = facts.get("events", 0) + facts.get("actions", 0)
    return Condition(
        count=int(facts.get("count", waiting)),
        since_id=int(facts.get("oldest_id", 0)),
        mark=int(facts.get("run", 0)),
        facts=facts,
    )


def remembered_of(row: Json) -> Remembered:
    times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in TIMES}
    return Remembered(
        is_open=row["is_open"],
        reported_times=row["reported_times"],
        reported_count=row["reported_count"],
        mark=row["mark"],
        **times,
    )


def message_of(reported: Json) -> Message:
    return Message(reported["title"], tuple(reported["lines"]), reported["since_id"])
