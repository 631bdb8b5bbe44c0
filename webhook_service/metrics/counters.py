"""Metrics for Prometheus: counters of the processes, and numbers from the database. Each application has one `Metrics`.

Labels never hold received data, such as an id, an e-mail or a text.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from webhook_service.events import Json, Outcome
from webhook_service.loops import PassResult
from webhook_service.metrics.files import reading

PREFIX = "webhook_service_"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REFUSALS = (
    *("unreadable", "not_json", "not_utf8", "duplicate_key", "too_deep", "unstorable_text"),
    *("missing_signature", "malformed_id", "malformed_timestamp", "malformed_signature"),
    *("timestamp_out_of_tolerance", "wrong_signature", "wrong_token"),
    *("too_large", "wrong_content_type", "invalid_payload"),
)
"""The reasons of a 4xx response to a delivery."""

ERRORS = (
    *("database_error", "internal_error"),
    *("database_unreachable", "database_unavailable", "database_conflict", "database_slow"),
    *("not_recorded", "not_migrated"),
)
"""The reasons of a 5xx response to a delivery."""

OTHER = "other"
LABELS = (
    *((str(outcome), "") for outcome in Outcome),
    *(("refused", reason) for reason in (*REFUSALS, OTHER)),
    *(("error", reason) for reason in (*ERRORS, OTHER)),
)
"""All labels of a delivery: (outcome of the event, "") or ("refused" or "error", reason)."""

RESULTS = ("worked", "idle", "failed")
SUBSCRIBERS = "subscribers"
"""The loop whose outcomes are those of events that were sent."""

SIGN_INS = ("succeeded", "refused", "throttled", "failed")

GAUGES = {
    "backlog_events": "Events that are pending, up to 10000",
    "backlog_oldest_seconds": "Age of the oldest pending event; 0 if there is none",
    "failed_events": "Failed events that are retried automatically, up to 10000",
    "needs_attention_events": "Failed events that need an admin's attention, up to 10000",
    "open_actions": "Actions in Auth that are pending or retried, up to 10000",
    "open_actions_oldest_seconds": "Age of the oldest open action; 0 if there is none",
    "needs_attention_actions": "Failed actions that need an admin's attention, up to 10000",
    "held_bans": "Bans that wait for an admin, up to 10000",
    "held_bans_oldest_seconds": "Age of the oldest held ban; 0 if there is none",
    "open_deliveries": "Events that wait to be sent to enabled subscribers, up to 10000",
    "dead_deliveries": "Events that were not delivered to subscribers and are no longer retried, up to 10000",
    "disabled_subscribers": "Subscribers that were disabled because they answered 410",
    "failing_loops": "Kinds of loops of the relays whose last pass failed",
    "relay_last_run_seconds": "Time since the last pass of any relay; absent if there was none",
    "last_event_seconds": "Age of the newest event in the ledger; absent if there is none",
}
"""The keys of `auth_sync_metrics_v1`, with help texts."""

ABSENT_IF_NULL = ("relay_last_run_seconds", "last_event_seconds")
"""The gauges that have no sample if their number is null. Other gauges are 0 then."""


class Metrics:
    """The metrics of one application. With a `folder`, they are the sums of all processes that count in the folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        deliveries = Counter(
            f"{PREFIX}deliveries_total",
            "Deliveries to POST /webhook/auth",
            ["outcome", "reason"],
            registry=self._registry,
        )
        # All label values exist from the start, so that Prometheus sees the first delivery as an increase, and so that
        # the busiest route finds each label only once.
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

        self._sent_events = Counter(
            f"{PREFIX}sent_events_total", "Attempts to send events to subscribers", ["outcome"], registry=self._registry
        )

        sign_ins = Counter(f"{PREFIX}sign_ins_total", "Attempts to sign in", ["result"], registry=self._registry)
        self._sign_ins = {result: sign_ins.labels(result) for result in SIGN_INS}

    def delivered(self, status: int, outcome: str | None, reason: str | None, seconds: float) -> None:
        """Count a delivery that was answered with this HTTP status after `seconds`.

        `outcome` is the event's outcome if the status is below 400. Otherwise `reason` is the reason of the error.
        """
        kind = "refused" if 400 <= status < 500 else "error"
        labels = (outcome or "", "") if status < 400 else (kind, reason or OTHER)
        self._deliveries.get(labels, self._deliveries[kind, OTHER]).inc()
        self._seconds.observe(seconds)

    def signed_in(self, result: str) -> None:
        """Count an attempt to sign in to the pages, with a result of SIGN_INS."""
        self._sign_ins[result].inc()

    def pass_ended(self, loop: str, result: PassResult | None) -> None:
        """Count a pass of a relay's loop, and its actions. `result` is None if the pass raised an error."""
        label = "failed" if result is None else "worked" if result.claimed > result.held else "idle"
        for each in RESULTS:
            self._relay_runs.labels(loop, each).inc(each == label)
        for (operation, outcome), count in (result.actions if result is not None else {}).items():
            self._actions.labels(operation, outcome).inc(count)
        if result is not None and loop == SUBSCRIBERS:
            for outcome, count in result.outcomes.items():
                self._sent_events.labels(outcome).inc(count)

    def exposed(self, numbers: Mapping[str, Json] | None) -> bytes:
        """Return all metrics in Prometheus's text format.

        `numbers` is the result of `auth_sync_metrics_v1`, or None if the database is unavailable.
        """
        return self._counted() + generate_latest(gauges(numbers))

    def _counted(self) -> bytes:
        if self._folder is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        with reading(self._folder):
            return generate_latest(registry)


def gauges(numbers: Mapping[str, Json] | None) -> CollectorRegistry:
    """Return a registry with the numbers from the database, and with `database_up`."""

    class Numbers(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            yield GaugeMetricFamily(f"{PREFIX}database_up", "Whether the database answers", int(numbers is not None))
            for name, help_text in GAUGES.items() if numbers is not None else ():
                value = numbers[name] if numbers is not None else None
                if value is not None or name not in ABSENT_IF_NULL:
                    yield GaugeMetricFamily(f"{PREFIX}{name}", help_text, value or 0)

    registry = CollectorRegistry()
    registry.register(Numbers())
    return registry
