"""Each slug that the code or the database can produce has its words, and no words are left over."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from webhook_service.events import Action, ActionOutcome, Operation, Outcome, Status
from webhook_service.ledger.employees import SyncStatus
from webhook_service.outbound.held import Reason
from webhook_service.wording import audit, chosen, comparisons, employees, held, inbox, outcomes, replays, timeline
from webhook_service.wording.counts import counted, describe, relay_silence

PACKAGE = Path(__file__).parents[3] / "webhook_service"
LEDGER = (PACKAGE / "db/migrations/0004_ledger.sql").read_text("utf-8")
INBOX = (PACKAGE / "db/functions/inbox.sql").read_text("utf-8")
FUNCTIONS = "\n".join(path.read_text("utf-8") for path in sorted((PACKAGE / "db/functions").glob("*.sql")))


def listed(values: str) -> set[str]:
    return set(re.findall(r"'(\w+)'", values))


def allowed(column: str) -> dict[str, set[str]]:
    """The values of `p_operation` or `p_outcome` that the ledger's constraint allows, by direction."""
    found: dict[str, set[str]] = {"inbound": set(), "outbound": set(), "maintenance": set()}
    pattern = rf"(?:when '(\w+)' then|else) p_{column} in \(([^)]*)\)"
    for direction, values in re.findall(pattern, LEDGER):
        found[direction or "maintenance"] |= listed(values)
    return found


def test_the_outcomes_are_those_of_the_ledger() -> None:
    """The code and the ledger's constraint have the same outcomes. Only a delivery is a duplicate."""
    assert allowed("outcome")["inbound"] == {*map(str, Outcome)} - {"duplicate"}
    assert allowed("outcome")["outbound"] == {*map(str, ActionOutcome)}


def test_each_outcome_has_a_label_and_a_sentence() -> None:
    """Each outcome of the ledger and of a replay has a label. Each outcome of an event or action has a sentence."""
    known = allowed("outcome")
    assert outcomes.EVENTS.keys() == known["inbound"] | {"duplicate"}
    assert outcomes.ACTIONS.keys() == known["outbound"]
    every = known["inbound"] | known["outbound"] | known["maintenance"]
    assert outcomes.LABELS.keys() == every | {"duplicate", "pending", "asked_again"}
    assert "'asked_again'" in FUNCTIONS


@pytest.mark.parametrize("outcome", [*outcomes.EVENTS.values(), *outcomes.ACTIONS.values()])
def test_a_failure_says_what_to_do(outcome: outcomes.Meaning) -> None:
    """The sentence of an outcome is whole, and a failure says what to do next."""
    assert outcome.kind in outcomes.KINDS
    assert outcome.says.endswith(".")
    assert outcome.kind != "failed" or outcome.todo.endswith(".")


def test_each_operation_and_status_has_a_label() -> None:
    """Each operation, direction and status of the ledger, of a replay job and of an employee has a label."""
    operations = allowed("operation")
    assert operations["inbound"] | operations["outbound"] == {str(each) for each in (*Operation, *Action)}
    assert outcomes.OPERATIONS.keys() == set().union(*operations.values())
    assert outcomes.DIRECTIONS.keys() == operations.keys() - {"maintenance"}
    assert outcomes.STATUSES.keys() == {*map(str, Status)}
    assert employees.SYNC_STATUSES.keys() == {*map(str, SyncStatus)}
    assert held.HELD.keys() == {*map(str, Reason)}
    tables = (PACKAGE / "db/migrations/0005_tables.sql").read_text("utf-8")
    [statuses] = re.findall(r"status in \(('RUNNING'[^)]*)\)", tables)
    assert replays.JOBS.keys() == listed(statuses)


def test_each_cause_of_the_inbox_has_a_title_and_a_sentence() -> None:
    """Each cause that the SQL functions name has a title, and each situation of a cause has a sentence."""
    causes = {f"held_{reason}" for reason in Reason}
    for named in re.findall(r"'cause',\s*(case .*? end|'\w+')", INBOX, re.DOTALL):
        causes |= set(re.findall(r"(?:then|else) '(\w+)'", named)) or listed(named) - {"held_"}
    assert inbox.TITLES.keys() == causes
    failures = {str(each) for each in Outcome} & {
        name for name, meaning in outcomes.EVENTS.items() if meaning.kind == "failed"
    }
    expected = causes - {"changed_by_client", "action_failed", "action_waits", "event_failed"}
    expected |= {"client.update_auth_email", "client.link"}
    expected |= {f"{state}.{action}" for state in ("failed", "waits") for action in Action}
    expected |= {f"event.{name}" for name in failures}
    assert {name.removesuffix(".none") for name in inbox.SENTENCES} == expected


def test_each_result_of_the_timeline_has_a_sentence() -> None:
    """The timeline has a sentence for each outcome of an event, and for each end of each action."""
    events = {name.partition(".")[0] for name in timeline.EVENTS}
    done = {name for name, meaning in outcomes.EVENTS.items() if meaning.kind != "failed"}
    assert events == done - {"duplicate"} | {"pending"}
    assert timeline.FAILURES.keys() == outcomes.EVENTS.keys() - done
    for action in Action:
        states = {name.split(".")[1] for name in timeline.ACTIONS if name.startswith(f"{action}.")}
        assert {"pending", "failed", "stale"} <= states
        assert states - {"pending", "failed"} <= outcomes.ACTIONS.keys()
    assert {name.partition(".")[0] for name in timeline.ACTIONS} == {*map(str, Action)}
    failed = {name for name, meaning in outcomes.ACTIONS.items() if meaning.kind == "failed"}
    assert timeline.ACTION_FAILURES.keys() == failed


@cache
def acts() -> set[str]:
    """The acts that the code and the SQL functions record in the audit."""
    found = set(re.findall(r"auth_sync_audit_v1\([^,]+, '([a-z][^']*)'", FUNCTIONS))
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("attempt", "audit.attempt"):
                texts = [each.value for part in node.args for each in ast.walk(part) if isinstance(each, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+( [a-z]+)*", text)}
    return found


@pytest.mark.parametrize("act", sorted(timeline.REFUSED))
def test_an_act_of_the_timeline_is_recorded_somewhere(act: str) -> None:
    """The timeline has no sentence for an act that nothing records."""
    assert act in acts()
    assert act in timeline.ACTS


def test_each_kind_of_difference_has_a_label() -> None:
    """Each kind of difference of a comparison has a label, and no label is left over."""
    reconcile = (PACKAGE / "db/functions/reconcile.sql").read_text("utf-8")
    assert [kind for kind in comparisons.DIFFERENCES if f"'{kind}'" not in reconcile and kind != "email"] == []


SENTENCES = {
    **inbox.SENTENCES,
    **{str(key): text for key, text in employees.SWITCHED.items()},
    **{str(key): text for key, text in employees.SWITCHED_BUT.items()},
    **{key: text for key, (_, text) in employees.STANDINGS.items()},
    **chosen.DONE,
    **timeline.ACTIONS,
    **timeline.ACTS,
    **audit.RESULTS,
}


@pytest.mark.parametrize("text", sorted(set(SENTENCES.values())))
def test_a_sentence_has_named_values(text: str) -> None:
    """A sentence is whole: it begins with a capital letter or a value, and its values have names."""
    fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    assert all(name.isidentifier() for name in fields)
    assert text[0].isupper() or text[0] == "{"


@pytest.mark.parametrize(
    ("count", "most", "text"),
    [(0, None, "0 logins"), (1, None, "1 login"), (1000, None, "1,000 logins"), (9, 9, "9+ logins")],
)
def test_a_count_chooses_the_text(count: int, most: int | None, text: str) -> None:
    """A count chooses between two whole texts. A count at its limit has a plus."""
    assert counted(count, "{count} login", "{count} logins", most=most) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (83, "1 min"), (7300, "2 h"), (200_000, "2 d")])
def test_a_duration_has_whole_units(seconds: float, text: str) -> None:
    """A duration is shown in the largest whole unit."""
    assert describe(seconds) == text


def test_a_relay_that_runs_is_not_silent() -> None:
    """A relay is silent if it never ran, or not for two minutes."""
    said = [relay_silence(seconds, never="never", silent="not for {age}") for seconds in (None, 120, 121)]
    assert said == ["never", None, "not for 2 min"]
