"""The service ignores invisible characters around an e-mail or a number, and lists unusable e-mails."""

import pytest

from tests.auth_traffic import CONFIRMED, JANE, insert
from tests.employees import Connection, employee, hire
from tests.integration.captured import auth_of, relay_all
from tests.integration.doctoring import examined, found
from tests.webhook_events import work_of
from webhook_service.inbound.processing import process_batch
from webhook_service.ledger import employees
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy
from webhook_service.ports import Database

pytestmark = pytest.mark.every_employees_table

AROUND = [
    *("\u00a0", "\ufeff", "\u200b", "\u202f", "\u2009", "\u3000", "\u200c", "\u200d", "\u2060", "\u200e", "\u202a"),
    *("\u2066", "\u00ad", "\u180e", "\u2028", "\u0085", "\v", "\f", " \u00a0\t\r\n\ufeff"),
]
UNUSABLE = [
    *("mailto:jane@example.com", "jane@example.com;", "jane@example.com, joe@example.com", "<jane@example.com>"),
    *("jane@example.com\njoe@example.com", "jane@example.com joe@example.com", "Jane <jane@example.com>", "n/a"),
    *("jane.example.com", "jane@", "@example.com", "jane@@example.com", "jane\u00a0@example.com"),
]
USABLE = [
    "jane@example.com",
    "Vera.O'Hara+x@mail.example.com",
    "jürgen@example.com",
    "\u00a0jane@example.com",
    "",
    None,
    "\u200b ",
]


@pytest.mark.parametrize("invisible", AROUND, ids=[ascii(text) for text in AROUND])
def test_invisible_characters_are_ignored(database: Database, connection: Connection, invisible: str) -> None:
    """An event links an existing employee, an insert links a new employee, and reconcile then finds no difference."""
    before = hire(connection, f"{invisible}Jane@example.com{invisible}")
    with auth_of(connection.info.dsn) as auth:
        jane, vera = auth.admin_create("jane@example.com"), auth.admin_create("vera@example.com")
    relay_all(database)
    after = hire(connection, f"vera@example.com{invisible}")
    assert [employee(connection, each)["auth_user_id"] for each in (before, after)] == [jane, vera]
    assert reconcile(database, Policy(), requested_by="test", dry_run=True).differences == {}
    monitored = database.call("auth_sync_people_v1", p_filter={"person": "vera@"}, p_after=None, p_limit=5)
    assert [(each["employee_id"], each["sync_status"]) for each in monitored["employees"]] == [(after, "OK")]


@pytest.mark.parametrize("invisible", [" ", "\ufeff", "\u00a0 \t\r\n"], ids=ascii)
def test_invisible_characters_around_a_number_are_ignored(
    database: Database, connection: Connection, invisible: str
) -> None:
    """A number links an employee that was there before, and one that is added later. Reconcile finds both."""
    before = hire(connection, employee_number=f"{invisible}E7{invisible}")
    with auth_of(connection.info.dsn) as auth:
        jane, vera = (
            auth.admin_create(f"{name}@example.com", app_metadata={"employee_number": number})
            for name, number in (("jane", "E7"), ("vera", f"E8{invisible}"))
        )
    relay_all(database)
    after = hire(connection, employee_number=f"{invisible}E8")
    assert [employee(connection, each)["auth_user_id"] for each in (before, after)] == [jane, vera]
    connection.execute("update employees set auth_user_id = null")
    planned = reconcile(database, Policy(), requested_by="test", dry_run=True)
    assert planned.differences == {"missing_link": 2}


def test_two_employees_with_one_number_are_ambiguous(database: Database, connection: Connection) -> None:
    """Two employees whose numbers differ only by surrounding space have the same number."""
    for number in ("E7", " E7"):
        hire(connection, employee_number=number)
    event = insert(JANE, email="jane@example.com", raw_app_meta_data={"employee_number": "E7"})
    [result] = process_batch(database, [work_of(event, "evt-1")], Policy())
    assert result.outcome == "ambiguous"


def test_only_ascii_letters_are_folded(database: Database, connection: Connection) -> None:
    """The KELVIN SIGN is not the letter k, although lower() may fold it in a locale."""
    hire(connection, "ja\u212ae@example.com")
    event = insert(JANE, email="jake@example.com", email_confirmed_at=CONFIRMED)
    [result] = process_batch(database, [work_of(event, "evt-1")], Policy())
    assert result.outcome == "unmatched"


def test_unusable_emails_are_listed_and_counted(database: Database, connection: Connection) -> None:
    """The list has each e-mail that cannot be the address of a login, and the doctor reports the count."""
    for email in USABLE:
        hire(connection, email)
    listed = [hire(connection, email) for email in UNUSABLE]
    hire(connection, "mailto:gone@example.com", is_active=False)
    assert employees.problems(database)["UNUSABLE_EMAIL"] == len(UNUSABLE)
    page = employees.people(database, {"sync_status": "UNUSABLE_EMAIL"}, after=None, limit=100)
    assert [each["employee_id"] for each in page["employees"]] == listed
    assert f"{len(UNUSABLE)} employees" in found(examined(database), "e-mails").says


def test_the_list_of_unusable_emails_has_pages(database: Database, connection: Connection) -> None:
    """Each page of the list begins after the last employee of the page before it."""
    listed = [hire(connection, f"mailto:{number}@example.com") for number in range(5)]
    first = employees.people(database, {"sync_status": "UNUSABLE_EMAIL"}, after=None, limit=3)
    rest = employees.people(database, {"sync_status": "UNUSABLE_EMAIL"}, after=first["next"], limit=3)
    assert [each["employee_id"] for page in (first, rest) for each in page["employees"]] == listed
    assert rest["next"] is None


def test_the_list_of_unusable_emails_reads_its_index(connection: Connection) -> None:
    """The query of the list has the conditions of its index, so PostgreSQL uses the index."""
    connection.execute("set enable_seqscan = off")
    query = connection.execute("select auth_sync_people_query_v1('UNUSABLE_EMAIL', null, 'asc') as q").fetchone()
    assert query is not None
    connection.execute(f"prepare listed (bigint, integer) as {query['q']}".encode())
    plan = str(connection.execute("explain execute listed (0, 10)").fetchall())
    assert "auth_sync_employees_unusable_idx" in plan
