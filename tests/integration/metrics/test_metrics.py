"""The counters and the numbers from the database that GET /metrics exposes."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from tests.auth_traffic import CONFIRMED, insert, post
from tests.employees import Connection, hire
from tests.integration.misbehaving_servers import Serve, silent
from webhook_service.app import create_app, utc_now
from webhook_service.auth.local import LocalAuthAdmin
from webhook_service.db.direct import STATEMENT_TIMEOUT_MILLISECONDS, DirectDatabase
from webhook_service.events import Action, ActionOutcome
from webhook_service.loops import Loop, PassResult, Relay
from webhook_service.metrics.counters import ERRORS, GAUGES, PREFIX, REFUSALS
from webhook_service.notifications.decide import Kind
from webhook_service.notifications.text import SECTIONS
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import EmailOwner
from webhook_service.ports import Database
from webhook_service.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
Samples = dict[tuple[str, tuple[str, ...]], float]


def samples_in(text: str) -> Samples:
    """Return {(name without the prefix, label values): value}."""
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(s.name.removeprefix(PREFIX), tuple(s.labels.values())): s.value for s in samples}


def scraped(client: FlaskClient) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=0.0.4")
    return samples_in(response.get_data(as_text=True))


def counted(samples: Samples, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric that are not 0, by label values."""
    return {labels: value for (found, labels), value in samples.items() if found == name and value}


def test_each_delivery_is_counted_once(client: FlaskClient, connection: Connection) -> None:
    """An event is counted by its outcome, and a refusal by its reason. Other requests are not counted."""
    hire(connection, "jane@example.com")
    jane = insert(email="jane@example.com", email_confirmed_at=CONFIRMED)
    for _ in range(3):
        post(client, jane, "evt-1")
    client.post("/webhook/auth", json=jane)
    post(client, {"type": "INSERT"}, "evt-2")
    client.get("/webhook/auth")
    client.options("/webhook/auth")
    samples = scraped(client)
    assert counted(samples, "deliveries_total") == {
        ("linked", ""): 1,
        ("duplicate", ""): 2,
        ("refused", "missing_signature"): 1,
        ("refused", "invalid_payload"): 1,
    }
    assert samples["delivery_seconds_count", ()] == samples["delivery_seconds_bucket", ("+Inf",)] == 5


def test_labels_are_a_closed_set(client: FlaskClient) -> None:
    """From the start, the label `reason` has each documented value, an empty value, and `other`."""
    table = (DOCS / "reference" / "http.md").read_text("utf-8").split("## Probes")[0]
    rows = [line.split("|") for line in table.splitlines() if re.match(r"\| [45]\d\d", line)]
    documented = {reason for row in rows for reason in re.findall(r"`(\w+)`", row[2])}
    assert {*REFUSALS, *ERRORS} == documented
    values = {labels for name, labels in scraped(client) if name == "deliveries_total"}
    assert {reason for _, reason in values} == documented | {"", "other"}


def test_the_database_reports_waiting_rows(client: FlaskClient, connection: Connection) -> None:
    """The gauges report the number and the age of waiting events and actions. The time of a missing event is absent."""
    numbers = {name: scraped(client).get((name, ())) for name in GAUGES}
    never = {"relay_last_run_seconds": None, "last_event_seconds": None}
    assert numbers == dict.fromkeys(GAUGES, 0) | never
    connection.execute(
        "insert into auth_sync_relays (relay, last_run_at) values ('r', now() - interval '5 hours');"
        "insert into auth_sync_failing_loops (relay, loop, reason, detail, since) values ('r', 'l', 'r', 'd', now());"
        "insert into auth_sync_held_actions (auth_user_id, via, held_at)"
        " values (gen_random_uuid(), 'employees', now() - interval '6 hours');"
        "insert into auth_sync_subscribers (name, url, secret, disabled_at, disabled_reason)"
        " values ('on', 'u', 's', null, null), ('off', 'u', 's', now(), 'gone');"
        "insert into auth_sync_deliveries (subscriber_id, webhook_id, type, payload, order_key, status,"
        " next_attempt_at, completed_at) select id, 'evt_1', 't', '{}', 'k',"
        " case name when 'on' then 'PENDING' else 'DEAD' end,"
        " case name when 'on' then now() end, case name when 'off' then now() end from auth_sync_subscribers;"
        "insert into integration_sync_log"
        " (event_id, direction, operation, status, outcome, error_message, via, created_at, next_attempt_at) values"
        " ('1', 'inbound', 'UPDATE', 'PENDING', null, null, 'capture', now() - interval '1 hour', now()),"
        " ('2', 'inbound', 'UPDATE', 'FAILED', 'ambiguous', 'e', 'capture', now() - interval '2 hours', now()),"
        " ('3', 'inbound', 'UPDATE', 'FAILED', 'ambiguous', 'e', 'capture', now() - interval '3 hours', null),"
        " ('4', 'outbound', 'disable_auth_user', 'PENDING', null, null, 'admin', now() - interval '4 hours', now()),"
        " ('5', 'outbound', 'disable_auth_user', 'FAILED', 'auth_refused', 'e', 'admin', now(), null)"
    )
    samples = scraped(client)
    assert {samples[name, ()] for name in GAUGES if not name.endswith("_seconds")} == {1}
    assert {name: samples[name, ()] // 3600 for name in GAUGES if name.endswith("_seconds")} == {
        "backlog_oldest_seconds": 1,
        "open_actions_oldest_seconds": 4,
        "held_bans_oldest_seconds": 6,
        "relay_last_run_seconds": 5,
        "last_event_seconds": 3,
    }


def test_a_large_backlog_is_counted_up_to_a_limit(client: FlaskClient, connection: Connection) -> None:
    """A scrape costs the same for any size of the backlog."""
    connection.execute(
        "alter table integration_sync_log disable trigger user;"
        "insert into integration_sync_log (event_id, direction, operation, via, next_attempt_at)"
        " select n::text, 'inbound', 'UPDATE', 'capture', now() from generate_series(1, 10100) as n"
    )
    assert scraped(client)["backlog_events", ()] == 10_000


def test_the_relay_is_counted(app: Flask) -> None:
    """Each pass of the relay is counted by its result, and each action by its outcome."""
    metrics = app.extensions["metrics"]
    done = {(str(Action.DISABLE_AUTH_USER), str(ActionOutcome.DISABLED)): 2}
    answers = iter([PassResult(claimed=2, actions=done), PassResult()])

    def once(name: str) -> PassResult:
        if (ran := next(answers, None)) is not None:
            return ran
        relay.stop()
        raise ValueError("failure")

    relay = Relay(Loop("actions", once, lambda seconds: True), report=metrics.pass_ended)
    relay.run()
    samples = scraped(app.test_client())
    assert counted(samples, "relay_runs_total") == {("actions", result): 1 for result in ("worked", "idle", "failed")}
    assert counted(samples, "actions_total") == {("disable_auth_user", "disabled"): 2}


def test_an_action_is_counted_by_operation_and_outcome(
    database: Database, database_url: str, connection: Connection
) -> None:
    """The relay reports each action that it performed by operation and outcome."""
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, auth_user_id, via, next_attempt_at)"
        " values ('a', 'outbound', 'disable_auth_user', gen_random_uuid(), 'admin', now())"
    )
    accounts = Accounts(database, LocalAuthAdmin(database_url), EmailOwner.AUTH, 5, utc_now)
    assert accounts.run_once("r").actions == {("disable_auth_user", "gone"): 1}


@pytest.mark.parametrize("port", ["dead", "silent"])
def test_without_a_database_the_other_metrics_are_exposed(settings: Settings, serve: Serve, port: str) -> None:
    """During an outage of the database, a scrape gets a 200 with the counters, and `database_up` is 0."""
    number = 1 if port == "dead" else serve(silent)
    database = DirectDatabase(f"postgresql://user:secret@127.0.0.1:{number}/none")
    client = create_app(settings, database).test_client()
    client.post("/webhook/auth", json={})
    samples = scraped(client)
    assert samples["database_up", ()] == 0
    assert samples["deliveries_total", ("refused", "missing_signature")] == 1
    assert not {name for name, _ in samples} & set(GAUGES)
    database.close()


def test_a_slow_database_is_not_waited_for(settings: Settings, database_url: str, connection: Connection) -> None:
    """A scrape is answered before the database cancels its query, and the next scrape finds the database up again."""
    database = DirectDatabase(database_url, connections=1)
    client = create_app(settings, database).test_client()
    with connection.transaction():
        connection.execute("lock table integration_sync_log")
        started = time.monotonic()
        assert scraped(client)["database_up", ()] == 0
        assert time.monotonic() - started < STATEMENT_TIMEOUT_MILLISECONDS / 1000
    assert scraped(client)["database_up", ()] == 1
    database.close()


def expressions_in(node: Any) -> list[str]:
    """Return all values of the key `expr` at any depth."""
    if isinstance(node, dict):
        own = [value for key, value in node.items() if key == "expr"]
        return own + [found for value in node.values() for found in expressions_in(value)]
    return [found for value in node for found in expressions_in(value)] if isinstance(node, list) else []


@pytest.mark.parametrize(
    ("file", "at_least"), [("alerts.yml", 8), ("grafana-dashboard.json", 10)], ids=["alerts", "dashboard"]
)
def test_metrics_in_alerts_and_dashboard_exist(
    client: FlaskClient, app: Flask, connection: Connection, file: str, at_least: int
) -> None:
    """The service exposes each metric and each label value that the alert rules and the dashboard mention."""
    app.extensions["metrics"].pass_ended("events", PassResult(actions={("disable_auth_user", "disabled"): 1}))
    connection.execute("insert into auth_sync_relays (relay) values ('r')")
    post(client, insert(email="jane@example.com"), "evt-1")
    exposed = scraped(client)
    text = (DOCS / file).read_text("utf-8")
    expressions = expressions_in(json.loads(text) if file.endswith("json") else yaml.safe_load(text))
    assert len(expressions) >= at_least
    mentioned = set(re.findall(rf"{PREFIX}(\w+)", text))
    assert mentioned - {name for name, _ in exposed} == set()
    values = {
        value
        for found in re.findall(r'(?:outcome|reason|result)=~?"([^"$]+)"', " ".join(expressions))
        for value in found.split("|")
    }
    assert values <= {label for _, labels in exposed for label in labels}


def test_each_alert_and_each_notice_has_its_section_of_the_runbook() -> None:
    """The runbook_url of each alert rule and the runbook of each notice name a section of docs/how-to/runbook.md."""
    sections = {
        re.sub("[^a-z ]", "", title.lower()).replace(" ", "-")
        for title in re.findall("(?m)^## (.+)$", (DOCS / "how-to" / "runbook.md").read_text("utf-8"))
    }
    rules = yaml.safe_load((DOCS / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    assert {rule["annotations"]["runbook_url"].removeprefix("docs/how-to/runbook.md#") for rule in rules} <= sections
    assert SECTIONS.keys() == set(Kind)
    assert set(SECTIONS.values()) <= sections
    assert sections <= {*SECTIONS.values(), *(rule["annotations"]["runbook_url"].split("#")[1] for rule in rules)}


def test_each_metric_is_explained(client: FlaskClient) -> None:
    """docs/reference/metrics.md names each metric."""
    said = (DOCS / "reference" / "metrics.md").read_text("utf-8")
    families = text_string_to_metric_families(client.get("/metrics").get_data(as_text=True))
    names = {family.name.removeprefix(PREFIX) for family in families if not family.name.endswith("_created")}
    assert [name for name in sorted(names | set(GAUGES)) if f"`{name}" not in said] == []
