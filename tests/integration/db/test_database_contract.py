"""The contract of Database, for PostgreSQL through psycopg and for Supabase's Data API through supabase-py.

The tests run on two Data APIs: on that of Supabase Lite, and on the double of a project with its roles
(tests/data_api_server.py). All tests here share one database of Supabase Lite. Each test uses different auth users,
e-mail addresses and event ids. The tests that need a direct connection are in test_direct_database.py.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner

from tests.auth_traffic import CANARY, delete, insert, update
from tests.data_api_server import supabase_project
from tests.in_loop import ForThreads
from tests.integration.people import Person
from tests.supabase_lite_server import TEST_FUNCTIONS, SupabaseLite, running
from tests.webhook_events import work_of
from webhook_service.cli.main import main
from webhook_service.db.direct import DirectDatabase
from webhook_service.db.supabase import SupabaseDatabase
from webhook_service.errors import DatabaseError, EventNotFound, Unavailable
from webhook_service.events import Json
from webhook_service.inbound.batching import GroupCommit
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import queries
from webhook_service.ledger.replay import replay_event, replay_events
from webhook_service.policy import Policy
from webhook_service.ports import Database


@pytest.fixture(scope="module")
def supabase_lite(supabase_lite_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseLite]:
    with running(supabase_lite_project, tmp_path_factory.mktemp("supabase_lite")) as lite:
        yield lite


@pytest.fixture(params=["direct", "lite", "project"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with ExitStack() as stack:
        if request.param == "lite":
            lite: SupabaseLite = request.getfixturevalue("supabase_lite")
            yield stack.enter_context(closing(SupabaseDatabase(lite.url, lite.service_role_key)))
            return
        url: str = request.getfixturevalue("database_url")
        with psycopg.connect(url) as connection:
            connection.execute(TEST_FUNCTIONS)
        if request.param == "direct":
            yield stack.enter_context(closing(DirectDatabase(url)))
        else:
            project = stack.enter_context(supabase_project(url))
            yield stack.enter_context(closing(SupabaseDatabase(project.url, project.key)))


@pytest.fixture
def person(database: Database) -> Person:
    return Person(database)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": [{"b": {"c": [[], {}, [1, -2.5]]}}]}, id="nested"),
        pytest.param(["é ñ 漢字 🦀", "\u2028", "\x7f"], id="unicode"),
        pytest.param({"it's": 'a "quoted" \\ $1 %s {} :name ; --', "": "\n\t"}, id="quotes"),
        pytest.param([None, True, False, 0, "", "null", "0"], id="scalars"),
        pytest.param({"max": 2**53 - 1, "min": -(2**53) + 1}, id="large-numbers"),
        pytest.param({}, id="empty-object"),
        pytest.param([], id="empty-array"),
        pytest.param(["x" * 500_000], id="half-a-megabyte"),
    ],
)
def test_json_is_returned_unchanged(database: Database, value: Json) -> None:
    """A parameter reaches the function unchanged, and the caller gets the result unchanged."""
    assert database.call("test_echo", p_value=value) == value


@pytest.mark.parametrize("text", ["", "plain", "5", "true", "null", "{}", 'it\'s a "q" \\ 漢 🦀 %s {} \n'])
def test_scalars_are_returned_unchanged(database: Database, text: str) -> None:
    """Texts, numbers and booleans keep their types, even if a text resembles another type."""
    sent: dict[str, Json] = {"text": text, "number": -(2**53) + 1, "flag": True}
    assert database.call("test_echo_typed", p_text=text, p_number=sent["number"], p_flag=True) == sent


def test_null_is_none(database: Database) -> None:
    """None is sent as null, and null is returned as None."""
    nothing = {"text": None, "number": None, "flag": None}
    assert database.call("test_echo_typed", p_text=None, p_number=None, p_flag=None) == nothing
    assert database.call("test_echo", p_value=None) is None


def test_a_function_may_return_nothing(database: Database) -> None:
    """A function that returns void is called without an error. PostgREST answers it with an empty response."""
    assert database.call("test_void") in (None, "", [])


@pytest.mark.parametrize("params", [{}, {"p_value": 1, "p_more": 2}], ids=["none", "other-parameters"])
@pytest.mark.parametrize("function", ["no_such_function", "test_echo"])
def test_a_missing_function_is_not_migrated(database: Database, function: str, params: dict[str, Json]) -> None:
    """A call of a missing function, or with other parameters, raises Unavailable with reason `not_migrated`."""
    with pytest.raises(Unavailable) as caught:
        database.call(function, **params)
    assert caught.value.reason == "not_migrated"


def test_a_raised_error_does_not_show_its_text(database: Database) -> None:
    """An error of a function raises DatabaseError without the database's text."""
    with pytest.raises(DatabaseError) as caught:
        database.call("test_raise", p_message=CANARY)
    assert caught.value.reason == "database_error"
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.detail}"


def test_a_call_is_a_transaction(database: Database, person: Person) -> None:
    """A failed call leaves no writes."""
    employee_id = person.hire()
    with pytest.raises(DatabaseError):
        database.call(
            "test_query",
            p_sql=f"with gone as (delete from public.employees where employee_id = {employee_id} returning *)"  # noqa: S608
            " select to_jsonb(1 / (employee_id - employee_id)) from gone",
        )
    assert person.employee(employee_id) is not None


def test_calls_after_an_error_work(database: Database) -> None:
    """After an error, the next calls over the connection succeed."""
    for _ in range(6):
        with pytest.raises(DatabaseError):
            database.call("test_raise", p_message=CANARY)
    assert database.call("test_echo", p_value=[1]) == [1]


def test_threads_share_a_database(database: Database) -> None:
    """Each of several threads gets the result of its call if they call concurrently."""
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(lambda n: database.call("test_echo", p_value=[n]), range(64))
    assert list(answers) == [[n] for n in range(64)]


def test_the_life_of_a_user(person: Person) -> None:
    """Each event from a user's sign-up to its deletion has its outcome, and changes the employee accordingly."""
    employee_id = person.hire()
    changed = person.confirmed(email=f"new-{person.email}")
    lives = {
        "unconfirmed": insert(person.id, at=1, email=person.email),
        "linked": update(person.id, at=2, **person.confirmed()),
        "unchanged": update(person.id, at=3, **person.confirmed(banned_until="infinity")),
        "synced": update(person.id, at=5, **changed, raw_user_meta_data={"first_name": "Zoë"}),
        "stale": update(person.id, at=4, **person.confirmed()),
        "orphaned": delete(person.id, at=5, **changed),
    }
    outcomes = [person.process(**{name: webhook})[0] for name, webhook in lives.items()]
    assert [(result.outcome, result.status) for result in outcomes] == [(name, "SUCCESS") for name in lives]
    employee = person.employee(employee_id)
    assert (employee["email"], employee["first_name"]) == (f"new-{person.email}", "Zoë")
    assert (employee["auth_user_id"], employee["orphaned_auth_user_id"]) == (None, str(person.id))


def test_a_batch_holds_all_kinds(database: Database) -> None:
    """Each event of a batch has an outcome that does not depend on the other events."""
    linked, several, taken, thief, nobody, guest, gone = (Person(database) for _ in range(7))
    employee_id = linked.hire()
    several.hire(), several.hire(), taken.hire()
    taken.process(first=insert(taken.id, **taken.confirmed()))
    webhooks = {
        "linked": insert(linked.id, **linked.confirmed()),
        "ambiguous": insert(several.id, **several.confirmed()),
        "already_linked": insert(thief.id, **taken.confirmed()),
        "unmatched": insert(nobody.id, **nobody.confirmed()),
        "ignored": insert(guest.id, is_anonymous=True),
        "unconfirmed": insert(uuid4(), email=nobody.email),
    }
    works = [work_of(webhook, gone.event(name)) for name, webhook in webhooks.items()]
    results = process_batch(database, [*works, works[0]], Policy())
    reported = sorted((result.event_id.split(":")[1], str(result.outcome)) for result in results)
    assert reported == sorted([*((name, name) for name in webhooks), ("linked", "duplicate")])
    failed = {result.outcome for result in results if result.status == "FAILED"}
    assert failed == {"ambiguous", "already_linked"}
    assert [result.employee_id for result in results if result.outcome == "linked"] == [employee_id]


def test_an_empty_batch(database: Database) -> None:
    """An empty batch has no results and no error."""
    assert process_batch(database, [], Policy()) == []


def test_concurrent_deliveries_are_applied_once(database: Database, person: Person) -> None:
    """An event that is delivered many times at once is applied once. Every other delivery is a duplicate."""
    person.hire()
    work = work_of(insert(person.id, **person.confirmed()), person.event("same"))
    commits = ForThreads(GroupCommit(database, Policy(), patience=30))
    with ThreadPoolExecutor(16) as threads:
        outcomes = [str(result.outcome) for result in threads.map(lambda _: commits.process(work), range(48))]
    assert sorted(outcomes) == ["duplicate"] * 47 + ["linked"]


def test_the_ledger_is_read(database: Database, person: Person) -> None:
    """The pages list all events, newest first. An event has its data, and the summary counts it."""
    employee_id = person.hire()
    before = queries.summary(database)
    person.process(one=insert(person.id, at=1, email=person.email), two=update(person.id, at=2, **person.confirmed()))

    first = queries.events(database, {"auth_user_id": str(person.id)}, below=None, limit=1)
    second = queries.events(database, {"auth_user_id": str(person.id)}, below=first["next"], limit=1)
    assert [page["events"][0]["event_id"] for page in (first, second)] == [person.event("two"), person.event("one")]
    assert second["next"] is None

    event = queries.event(database, person.event("two"))
    assert (event["outcome"], event["employee_id"], event["replays"]) == ("linked", employee_id, [])
    assert event["request_data"]["email"] == person.email
    assert event["changes"]["auth_user_id"] == {"from": None, "to": str(person.id)}

    after = queries.summary(database)
    assert after["events"]["SUCCESS"] >= before["events"]["SUCCESS"] + 2
    assert after["employees"]["linked"] >= before["employees"]["linked"] + 1


def test_an_unknown_event_is_not_found(database: Database, person: Person) -> None:
    """An unknown event can be neither read nor replayed, with any characters in its id."""
    for event_id in (person.event("none"), "it's % {} \"", "é"):
        with pytest.raises(EventNotFound):
            queries.event(database, event_id)
        with pytest.raises(EventNotFound):
            replay_event(database, Policy(), event_id, requested_by="test")


@pytest.mark.parametrize("requested_by", ["test", "api:Zoë 'O\" %s", ""])
def test_a_failed_event_is_replayed(database: Database, person: Person, requested_by: str) -> None:
    """A replay links the employee after the cause is fixed, and records the admin. A second replay changes nothing."""
    first, second = person.hire(), person.hire()
    assert person.process(it=insert(person.id, **person.confirmed()))[0].outcome == "ambiguous"
    database.call(
        "test_query",
        p_sql=f"delete from public.employees where employee_id = {second} returning to_jsonb(1)",  # noqa: S608
    )
    replayed = [replay_event(database, Policy(), person.event("it"), requested_by=requested_by) for _ in range(2)]
    assert [(result.outcome, result.employee_id) for result in replayed] == [("linked", first), ("unchanged", first)]
    assert replayed[0].changes == {"auth_user_id": {"from": None, "to": str(person.id)}}
    event = queries.event(database, person.event("it"))
    assert event["outcome"] == "linked"
    reported = [(replay["requested_by"], replay["outcome_before"], replay["outcome"]) for replay in event["replays"]]
    assert reported == [(requested_by, "ambiguous", "linked"), (requested_by, "linked", "unchanged")]


def test_a_dry_run_keeps_nothing(database: Database, person: Person) -> None:
    """A dry run reports the changes without making them, and the real run then makes exactly these changes."""
    first, second = person.hire(), person.hire()
    person.process(it=insert(person.id, **person.confirmed()), later=update(person.id, at=9, **person.confirmed()))
    database.call(
        "test_query",
        p_sql=f"delete from public.employees where employee_id = {second} returning to_jsonb(1)",  # noqa: S608
    )
    criteria = {"auth_user_id": str(person.id)}
    kept = [queries.event(database, person.event(name)) for name in ("it", "later")]
    dry = replay_events(database, Policy(), criteria, requested_by="test", dry_run=True, limit=100)
    assert (dry.matched, dry.replayed, dry.changed) == (2, 2, 1)
    assert [queries.event(database, person.event(name)) for name in ("it", "later")] == kept
    assert person.employee(first)["auth_user_id"] is None
    wet = replay_events(database, Policy(), criteria, requested_by="test", dry_run=False, limit=100)
    assert (wet.outcomes, wet.changes) == (dry.outcomes, dry.changes)
    assert person.employee(first)["auth_user_id"] == str(person.id)


def test_migrate_over_the_data_api_only_checks(supabase_lite: SupabaseLite) -> None:
    """`migrate` succeeds over the Data API if the schema is up to date, so a release step may run it."""
    environment = {"SUPABASE_URL": supabase_lite.url, "SUPABASE_SERVICE_ROLE_KEY": supabase_lite.service_role_key}
    result = CliRunner(env=environment | {"DATABASE_URL": None}).invoke(main, ["migrate"])
    assert (result.exit_code, result.output) == (0, "The database is up to date.\n")
