"""The timeline of an employee has events, attempts, actions and acts of admins in one list, as sentences."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.auth_traffic import CONFIRMED, delete, insert, update
from tests.employees import Connection, hire
from tests.integration.captured import nothing_linked
from tests.integration.signing_in import Browser
from tests.webhook_events import work_of
from webhook_service.events import Json
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import audit, timeline
from webhook_service.ledger.replay import replay_event
from webhook_service.ledger.timeline import Entry
from webhook_service.policy import Policy
from webhook_service.ports import Database

LOGIN, OTHER = UUID(int=7), UUID(int=8)


def apply(database: Database, *payloads: Json, login: UUID = LOGIN) -> None:
    for number, payload in enumerate(payloads, 1):
        process_batch(database, [work_of(payload, f"evt-{login.int}-{number}")], Policy())


def confirmed(login: UUID = LOGIN, *, at: int, email: str = "ann@example.com", **columns: Json) -> Json:
    return (insert if at == 1 else update)(login, at=at, email=email, email_confirmed_at=CONFIRMED, **columns)


def entries(database: Database, employee_id: int) -> list[Entry]:
    """All entries, read page by page."""
    found, cursor = [], ""
    while True:
        page = timeline.page(database, employee_id, cursor, limit=3, now=datetime.now(UTC))
        found += page.entries
        if page.next is None:
            return found
        cursor = page.next


def said(database: Database, employee_id: int) -> list[str]:
    return [" ".join(entry.says) for entry in entries(database, employee_id)]


def act(connection: Connection, action: str, target: str, **columns: Any) -> None:
    values = {"who": "ann@example.com", "action": action, "target": target} | columns
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    connection.execute(
        f"insert into auth_sync_audit ({names}) values ({places})".encode(),  # noqa: S608
        list(values.values()),
    )


def enter(connection: Connection, employee_id: int, operation: str, outcome: str | None, **columns: Any) -> None:
    status = columns.pop("status", "SUCCESS")
    values = {
        "event_id": f"{LOGIN}:{operation}:{outcome}",
        "direction": "outbound",
        "operation": operation,
        "status": status,
        "outcome": outcome,
        "auth_user_id": LOGIN,
        "employee_id": employee_id,
        "via": "employees",
        "completed_at": datetime.now(UTC) if status == "SUCCESS" else None,
        "error_message": "no" if status == "FAILED" else None,
    } | columns
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    connection.execute(
        f"insert into integration_sync_log ({names}) values ({places})".encode(),  # noqa: S608
        list(values.values()),
    )


@pytest.mark.every_employees_table
def test_the_life_of_a_login_is_a_list_of_sentences(connection: Connection, database: Database) -> None:
    """Link, changes of name and e-mail, an outdated change and the deletion are sentences, newest first."""
    ann = hire(connection, "ann@example.com", first_name="Nick", last_name="Lee")
    apply(
        database,
        confirmed(at=1, raw_user_meta_data={"first_name": "Nick", "last_name": "Lee"}),
        confirmed(at=3, raw_user_meta_data={"first_name": "Nicholas", "last_name": "Lee"}),
        confirmed(at=2),
        confirmed(at=4, email="new@example.com", raw_user_meta_data={"first_name": "Nicholas", "last_name": "Roe"}),
        delete(LOGIN, at=5),
    )
    assert said(database, ann) == [
        "Login deleted in Supabase Auth.",
        "Name changed from Lee to Roe by Supabase Auth."
        " E-mail changed from ann@example.com to new@example.com by Supabase Auth.",
        "Outdated change of the login left out, because a newer one was applied.",
        "Name changed from Nick to Nicholas by Supabase Auth.",
        "Login linked by its confirmed e-mail.",
    ]


@pytest.mark.every_employees_table
def test_a_link_by_the_number_is_said(connection: Connection, database: Database) -> None:
    """A login that was linked by its employee number says so."""
    ann = hire(connection, "ann@example.com", employee_number="E1")
    apply(database, confirmed(at=1, email="x@example.com", raw_app_meta_data={"employee_number": "E1"}))
    assert said(database, ann)[-1].startswith("Login linked by its employee number.")


@pytest.mark.every_employees_table
def test_failed_attempts_are_said_once(connection: Connection, database: Database) -> None:
    """A failed event is one entry with the number of attempts. After its success, the failure is an entry too."""
    ann = hire(connection, "ann@example.com", first_name="Ann")
    connection.execute(
        "alter table employees add constraint login_needs_number"
        " check (auth_user_id is null or employee_number is not null)"
    )
    event = confirmed(at=1)
    process_batch(database, [work_of(event, "evt-1")], Policy())
    assert said(database, ann) == ['Not applied: the database rule "login_needs_number" rejected this change.']
    connection.execute("update integration_sync_log set attempts = 2, status = 'FAILED'")
    assert said(database, ann)[0].endswith("rejected this change. Tried 2 times.")
    connection.execute("update employees set employee_number = 'E1'")  # links the login
    replay_event(database, Policy(), "evt-1", requested_by="Kim")
    assert said(database, ann) == [
        "Login created in Supabase Auth: the employee had these values already.",
        "Login linked by its confirmed e-mail.",
        'Not applied at first: the database rule "login_needs_number" rejected this change. Tried 2 times.',
    ]


@pytest.mark.parametrize(
    ("operation", "outcome", "columns", "sentence"),
    [
        ("disable_auth_user", "disabled", {}, "Login disabled in Supabase Auth after deactivation."),
        ("enable_auth_user", "enabled", {}, "Login enabled in Supabase Auth after activation."),
        (
            "update_auth_email",
            "email_updated",
            {"request_data": '{"email": "new@example.com"}'},
            "E-mail of the login changed to new@example.com in Supabase Auth.",
        ),
        (
            "create_auth_user",
            "linked",
            {"request_data": '{"email": "a@example.com", "requested_by": "Kim"}'},
            "Login a@example.com given by Kim.",
        ),
        ("disable_auth_user", None, {"status": "PENDING"}, "Login is being disabled in Supabase Auth."),
        (
            "disable_auth_user",
            "auth_unavailable",
            {"status": "FAILED", "attempts": 4},
            "Login not disabled: Supabase does not answer. Tried 4 times.",
        ),
        (
            "update_auth_email",
            "changed_by_client",
            {"status": "FAILED", "request_data": '{"email": "ceo@example.com"}'},
            "E-mail of the login not changed to ceo@example.com:"
            " a user wrote the change without proof, so it waits for approval.",
        ),
    ],
)
def test_an_action_is_a_sentence(
    connection: Connection, database: Database, operation: str, outcome: str | None, columns: Any, sentence: str
) -> None:
    """Each action in Auth says what was done, or why not."""
    ann = hire(connection, "ann@example.com")
    enter(connection, ann, operation, outcome, **columns)
    assert said(database, ann) == [sentence]


def test_the_acts_of_admins_are_sentences(connection: Connection, database: Database) -> None:
    """The acts about the employee and about its events have the admin and the result."""
    ann = hire(connection, "ann@example.com", first_name="Ann")
    apply(database, confirmed(at=1))
    target = f"employee:{ann}"
    act(connection, "deactivate", target)
    act(connection, "link a login", target, result="refused", reason="The employee has a login.")
    act(connection, "edit an employee", target, reason="email, first name")
    act(connection, "dismiss", "event:evt-7-1", details='{"reason": "The intern has left"}')
    act(connection, "activate", target, result="pending")
    act(connection, "activate", target, result="pending", at=datetime.now(UTC) - timedelta(hours=1))
    act(connection, "wave", target)
    act(connection, "deactivate", "employee:999")
    assert sorted(said(database, ann)) == sorted(
        [
            "Activated by ann@example.com. Whether it was done is not known.",
            "Login linked by its confirmed e-mail.",
            "Deactivated by ann@example.com.",
            "Login not given by ann@example.com: The employee has a login.",
            "Edited by ann@example.com. Changed: email, first name.",
            "Dismissed by ann@example.com: “The intern has left”.",
            "Activated by ann@example.com. In progress.",
            "ann@example.com: wave.",
        ]
    )


def test_the_list_is_by_time_and_each_entry_is_there_once(connection: Connection, database: Database) -> None:
    """Pages follow each other without a gap or a repetition, newest first, also if times are equal."""
    ann = hire(connection, "ann@example.com", first_name="Ann")
    apply(database, *(confirmed(at=at, raw_user_meta_data={"first_name": f"Ann{at}"}) for at in range(1, 6)))
    at = datetime.now(UTC) - timedelta(days=1)
    for number in range(7):
        act(connection, "deactivate", f"employee:{ann}", at=at, reason=str(number))
    found = entries(database, ann)
    times = [datetime.fromisoformat(entry.at) for entry in found]
    assert len(found) == 12
    assert times == sorted(times, reverse=True)
    for cursor in ("x", "1.act.y", "999999999999999999.act.1"):
        assert timeline.page(database, ann, cursor, limit=3, now=at).entries == found[:3]


def test_events_of_another_employee_are_left_out(connection: Connection, database: Database) -> None:
    """The events of a former login are shown, unless they were about another employee."""
    with nothing_linked(connection):
        ann, bob = hire(connection, "ann@example.com"), hire(connection, "bob@example.com")
    apply(database, confirmed(at=1, email="nobody@example.com"))
    enter(connection, bob, "disable_auth_user", "disabled")
    connection.execute("update auth_user_state set employee_id = %s", [ann])
    assert said(database, ann) == ["Login created in Supabase Auth, when no employee matched it yet."]
    assert said(database, bob)[0] == "Login disabled in Supabase Auth after deactivation."


def test_a_long_history_is_cut(connection: Connection, database: Database) -> None:
    """The list has the newest thousand events, and says that there are older ones."""
    ann = hire(connection, "ann@example.com")
    connection.execute(
        "insert into integration_sync_log (event_id, direction, operation, status, outcome, employee_id, version, via,"
        " completed_at) select 'e' || n, 'inbound', 'UPDATE', 'SUCCESS', 'unchanged', %s, n, 'capture', now()"
        " from generate_series(1, 1001) as n",
        [ann],
    )
    page = timeline.page(database, ann, "", limit=2000, now=datetime.now(UTC))
    assert (len(page.entries), page.next, page.is_cut) == (1000, None, True)


def test_the_page_shows_the_list_with_raw_data_closed(
    browser: Browser, connection: Connection, database: Database
) -> None:
    """The page of an employee has 20 entries, each with its time and its event, and raw data only under a summary."""
    ann = hire(connection, "ann@example.com", first_name="Ann")
    apply(database, *(confirmed(at=at, raw_user_meta_data={"first_name": f"Ann{at}"}) for at in range(1, 25)))
    with audit.attempt(database, "kim", "deactivate", f"employee:{ann}"):
        pass
    text = browser.get(f"/admin/employees/{ann}").text
    assert text.index("Deactivated by kim.") < text.index("Name changed from Ann23 to Ann24 by Supabase Auth.")
    assert text.count('class="entry ') == 20
    before, _, after = text.partition("What happened</h2>")
    assert "{&#34;" not in before
    for part in after.split("<pre")[1:]:
        assert part  # each is inside a closed <details>
    assert after.count("<pre") == after.count("Technical details<span") == 19
    assert "<details open" not in text
    more = after.split('rel="next" href="')[1].split('"')[0]
    assert "Login linked by its confirmed e-mail." in browser.get(more).text


def test_the_page_of_an_event_has_words_first(browser: Browser, connection: Connection, database: Database) -> None:
    """The page of an event says what was changed; ids, messages and received data are under a closed summary."""
    hire(connection, "ann@example.com", first_name="Ann")
    connection.execute(
        "alter table employees add constraint login_needs_number"
        " check (auth_user_id is null or employee_number is not null)"
    )
    apply(database, confirmed(at=1))
    text = browser.get("/admin/events/evt-7-1").text
    words, _, technical = text.partition("<summary>Technical details</summary>")
    assert "The database rule &#34;login_needs_number&#34; rejected this change." in words
    assert ">Changes</h2>" in words
    assert "23514" not in words
    assert "23514" in technical
    assert ">Received data</h2>" in technical
    assert "Retrying" in words
