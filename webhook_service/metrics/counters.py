"""What the processes count for Prometheus, and what the database is asked for it: one `Metrics` for each application.

No label ever holds what comes from outside: an id, an e-mail, a text.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from webhook_service.events import Json, Outcome
from webhook_service.loops import Ran
from webhook_service.metrics.files import reading

PREFIX = "webhook_service_"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REFUSALS = (
    *("unreadable", "not_json", "not_utf8", "duplicate_key", "too_deep", "unstorable_text"),
    *("missing_signature", "malformed_id", "malformed_timestamp", "malformed_signature"),
    *("timestamp_out_of_tolerance", "wrong_signature", "wrong_token"),
    *("too_large", "wrong_content_type", "invalid_payload"),
)
"""Reasons of a 4xx to a delivery."""

ERRORS = (
    *("database_error", "internal_error"),
    *("database_unreachable", "database_unavailable", "database_conflict", "database_slow"),
    *("not_recorded", "not_migrated"),
)
"""Reasons of a 5xx to a delivery."""

OTHER = "other"
LABELS = (
    *((str(outcome), "") for outcome in Outcome),
    *(("refused", reason) for reason in (*REFUSALS, OTHER)),
    *(("error", reason) for reason in (*ERRORS, OTHER)),
)
"""All that can become of a delivery: an event's outcome, or why there is none."""

RESULTS = ("worked", "idle", "failed")
SIGN_INS = ("succeeded", "refused", "throttled", "failed")

GAUGES = {
    "backlog_events": "Events that are pending, up to 10000",
    "backlog_oldest_seconds": "Age of the oldest pending event; 0 where there is none",
    "failed_events": "Failed events that are tried again by themselves, up to 10000",
    "needs_attention_events": "Failed events that wait for an admin, up to 10000",
    "open_actions": "Actions in Auth that are still to be done, up to 10000",
    "open_actions_oldest_seconds": "Age of the oldest open action; 0 where there is none",
    "needs_attention_actions": "Failed actions that wait for an admin, up to 10000",
    "relay_last_run_seconds": "Since a relay last looked, of any process; absent where none ever did",
    "last_event_seconds": "Since the newest event came into the ledger; absent where there is none",
}
"""What `auth_sync_metrics_v1` answers."""

NEVER = ("relay_last_run_seconds", "last_event_seconds")
"""Of these, null is no sample; of the others, 0."""


class Metrics:
    """The instruments of one application. With a `folder`, all processes that count in it are one in the sum."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        deliveries = Counter(
            f"{PREFIX}deliveries_total", "POST /webhook/auth", ["outcome", "reason"], registry=self._registry
        )
        # All of them from the start: a first one is seen as an increase, and the hot route looks nothing up twice.
        self._deliveries = {labels: deliveries.labels(*labels) for labels in LABELS}
        self._seconds = Histogram(
            f"{PREFIX}delivery_seconds", "Time to answer a delivery", buckets=BUCKETS, registry=self._registry
        )
        self._actions = Counter(
            f"{PREFIX}actions_total", "Actions that relays performed", ["operation", "outcome"], registry=self._registry
        )
        self._relay_runs = Counter(
            f"{PREFIX}relay_runs_total", "Passes of the relay's loops", ["loop", "result"], registry=self._registry
        )

        sign_ins = Counter(f"{PREFIX}sign_ins_total", "Attempts to sign in", ["result"], registry=self._registry)
        self._sign_ins = {result: sign_ins.labels(result) for result in SIGN_INS}

    def delivered(self, status: int, outcome: str | None, reason: str | None, seconds: float) -> None:
        """A delivery has been answered with this HTTP status: with an event's outcome, or the reason why not."""
        kind = "refused" if 400 <= status < 500 else "error"
        labels = (outcome or "", "") if status < 400 else (kind, reason or OTHER)
        self._deliveries.get(labels, self._deliveries[kind, OTHER]).inc()
        self._seconds.observe(seconds)

    def signed_in(self, result: str) -> None:
        """Somebody tried to sign in to the pages; one of SIGN_INS came of it."""
        self._sign_ins[result].inc()

    def ran(self, loop: str, ran: Ran | None) -> None:
        """A relay has looked; None: it could not."""
        happened = "failed" if ran is None else "worked" if ran.claimed > ran.held else "idle"
        for result in RESULTS:
            self._relay_runs.labels(loop, result).inc(result == happened)
        for (operation, outcome), count in (ran.actions if ran is not None else {}).items():
            self._actions.labels(operation, outcome).inc(count)

    def exposed(self, numbers: Mapping[str, Json] | None) -> bytes:
        """In Prometheus's text format; `numbers` as of `auth_sync_metrics_v1`, None where the database is away."""
        return self._counted() + generate_latest(gauges(numbers))

    def _counted(self) -> bytes:
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        with reading(self._folder):
            return generate_latest(registry)


def gauges(numbers: Mapping[str, Json] | None) -> CollectorRegistry:
    """A registry of the database's numbers, and whether there are any."""

    class Numbers(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            yield GaugeMetricFamily(f"{PREFIX}database_up", "Whether the database answers", int(numbers is not None))
            for name, means in GAUGES.items() if numbers is not None else ():
                value = numbers[name] if numbers is not None else None
                if value is not None or name not in NEVER:
                    yield GaugeMetricFamily(f"{PREFIX}{name}", means, value or 0)

    registry = CollectorRegistry()
    registry.register(Numbers())
    return registry
