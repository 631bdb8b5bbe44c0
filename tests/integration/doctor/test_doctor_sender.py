"""`examine` finds faults of the sender, on a PostgreSQL with pgcrypto and the doubles of Vault and pg_net."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.acceptance.command import settings_for
from tests.acceptance.conftest import wait_for
from tests.auth_traffic import SECRET
from tests.databases import dropped_afterwards
from tests.debian_postgres import Cluster
from tests.employees import Connection
from tests.integration.capturing import prepared
from tests.integration.doctoring import examined, found, problems, relayed
from tests.integration.misbehaving_servers import Serve, answers, answers_json, closes
from tests.pg_net_double import Mischief, working
from tests.ports import free_port
from webhook_service.db.direct import DirectDatabase
from webhook_service.doctor.findings import Level
from webhook_service.ports import Database
from webhook_service.server import process as server_process

OTHER_SECRET = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC1vdGhlci1zZWM="
NOTE, WRONG = Level.NOTE, Level.WRONG
NO_WORKER = ("pg_net", WRONG)
"""In most tests here, no worker empties the queue."""


@pytest.fixture(scope="module")
def template(supabase_cluster: Cluster, new_supabase_database: Callable[..., str]) -> str:
    """Return the name of a database with auth.users and the migrations, which the tests copy."""
    name = new_supabase_database()
    prepared(supabase_cluster.url(name))
    return name


@pytest.fixture
def url(supabase_cluster: Cluster, new_supabase_database: Callable[..., str], template: str) -> Iterator[str]:
    with dropped_afterwards(supabase_cluster.url(new_supabase_database(template))) as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Provide a database in which a relay has run, so that only the sender can have a fault."""
    database = DirectDatabase(url)
    relayed(database)
    yield database
    database.close()


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture(scope="module")
def receiver(
    supabase_cluster: Cluster,
    new_supabase_database: Callable[..., str],
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Provide the webhook's URL of a running service that has SECRET.

    The probe does not reach the service's database.
    """
    database_url = supabase_cluster.url(new_supabase_database(template))
    port = free_port()
    environment = settings_for(database_url) | {"HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "1"}
    with (
        (tmp_path_factory.mktemp("receiver") / "log").open("wb") as log,
        server_process.running(environment, log=log) as process,
    ):
        server_process.wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}/webhook/auth"


def send_to(connection: Connection, url: str, secrets: str = SECRET) -> None:
    connection.execute("select auth_sync_send_to(%s, %s)", [url, secrets])


def test_a_missing_sender_is_a_note(database: Database) -> None:
    """A database without a sender gets a note with the call that sets it up, because the relay applies the events."""
    findings = examined(database)
    assert problems(findings) == [("sender", NOTE)]
    assert "select auth_sync_send_to(" in found(findings, "sender").command


def test_a_round_trip_passes(database: Database, connection: Connection, receiver: str) -> None:
    """If the database signs, doctor verifies and the service accepts, then sender, secret and URL pass."""
    send_to(connection, receiver)
    findings = examined(database)
    assert problems(findings) == [NO_WORKER]
    assert found(findings, "sender").says == f"the database posts events to {receiver}"
    assert [found(findings, check).level for check in ("secret", "url")] == [Level.OK, Level.OK]


def test_the_probe_is_not_an_event(database: Database, connection: Connection, receiver: str) -> None:
    """The probe leaves nothing in the ledger or in pg_net's queue."""
    send_to(connection, receiver)
    examined(database)
    for table in ("integration_sync_log", "auth_user_state", "net.http_request_queue"):
        assert connection.execute(f"select from {table}").fetchall() == []  # noqa: S608


@pytest.mark.parametrize("secrets", [f"{SECRET} {OTHER_SECRET}", f"{OTHER_SECRET},{SECRET}"])
def test_the_secrets_agree_during_a_rotation(
    database: Database, connection: Connection, receiver: str, secrets: str
) -> None:
    """A database that signs with two secrets passes if the service has one of them, in any order."""
    send_to(connection, receiver, secrets)
    assert problems(examined(database)) == [NO_WORKER]


def test_another_secret_is_found(database: Database, connection: Connection, receiver: str) -> None:
    """A secret that WEBHOOK_SECRETS lacks is found, and nothing is posted to the URL."""
    send_to(connection, receiver, OTHER_SECRET)
    findings = examined(database)
    assert problems(findings) == [NO_WORKER, ("secret", WRONG)]
    assert "wrong_signature" in found(findings, "secret").says
    assert "url" not in [finding.check for finding in findings]


def test_another_secret_at_the_url_is_found(database: Database, connection: Connection, receiver: str) -> None:
    """If the service behind the URL has another secret, this is found."""
    send_to(connection, receiver, OTHER_SECRET)
    findings = examined(database, secret=OTHER_SECRET)
    assert problems(findings) == [NO_WORKER, ("url", WRONG)]
    assert "401" in found(findings, "url").says


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        pytest.param(answers(404, "no such page"), "404", id="not-found"),
        pytest.param(answers(301, "", Location="https://www.example.com/"), "301", id="redirects"),
        pytest.param(answers(302, "", Location="/login"), "302", id="redirects-to-a-login"),
        pytest.param(answers_json(200), "200", id="takes-anything"),
        pytest.param(answers(502, "bad gateway"), "502", id="a-proxy-without-a-service"),
    ],
)
def test_a_url_that_is_not_the_service_is_found(
    database: Database, connection: Connection, serve: Serve, behaviour: Any, status: str
) -> None:
    """A response that this service does not send is found, with its status."""
    send_to(connection, f"http://127.0.0.1:{serve(behaviour)}/webhook/auth")
    findings = examined(database)
    assert problems(findings) == [NO_WORKER, ("url", WRONG)]
    assert f"answers {status} " in found(findings, "url").says


def test_a_url_that_cannot_be_reached_is_a_note(database: Database, connection: Connection, serve: Serve) -> None:
    """A URL that doctor cannot reach gets a note, because the database may still reach it."""
    for port in (free_port(), serve(closes)):
        send_to(connection, f"http://127.0.0.1:{port}/webhook/auth")
        assert problems(examined(database)) == [NO_WORKER, ("url", NOTE)]


BAD_URLS = ["http://127.0.0.1:99999/", "http://[::1/", "http://a..b.example.com/", "http://é:x/"]


@pytest.mark.parametrize("address", BAD_URLS)
def test_an_invalid_url_is_a_finding(database: Database, connection: Connection, address: str) -> None:
    """An invalid URL is reported as a finding, and does not end the examination."""
    send_to(connection, address)
    assert problems(examined(database))[1][0] == "url"


def test_a_secret_without_a_url_is_a_note(database: Database, connection: Connection, receiver: str) -> None:
    """A secret without a URL posts nothing, and gets a note."""
    send_to(connection, receiver)
    connection.execute("update auth_sync_settings set webhook_url = null")
    assert problems(examined(database)) == [("sender", NOTE)]


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("drop function net.http_post", "missing: pg_net"),
        ("drop schema net cascade", "missing: pg_net"),
        ("drop extension pgcrypto", "missing: pgcrypto"),
        ("drop schema vault cascade", "missing: vault"),
        (
            "drop schema net cascade; drop schema vault cascade; drop extension pgcrypto",
            "missing: pg_net, pgcrypto, vault",
        ),
        ("delete from vault.secrets", "not in the vault"),
    ],
)
def test_a_missing_extension_is_found(
    database: Database, connection: Connection, receiver: str, loss: str, says: str
) -> None:
    """Each missing extension that posting needs is named, and the examination continues."""
    send_to(connection, receiver)
    connection.execute(loss)
    findings = examined(database)
    assert (found(findings, "sender").level, says in found(findings, "sender").says) == (WRONG, True)
    assert found(findings, "silence").level is Level.OK


# pg_net's worker


def test_a_dead_worker_is_found(database: Database, connection: Connection, url: str, receiver: str) -> None:
    """A running worker is not mentioned. A dead worker is found, with the number of waiting requests."""
    send_to(connection, receiver)
    with working(url, Mischief(interval=0.05)) as worker:
        wait_for("the worker", lambda: has_worker(connection))
        assert problems(examined(database)) == []
        worker.kill()
    wait_for("its end", lambda: not has_worker(connection))
    connection.execute("select net.http_post('http://127.0.0.1:1/') from generate_series(1, 3)")
    findings = examined(database)
    assert problems(findings) == [NO_WORKER]
    assert "3 requests wait" in found(findings, "pg_net").says


def has_worker(connection: Connection) -> bool:
    query = "select from pg_stat_activity where application_name like 'pg_net%'"
    return connection.execute(query).fetchone() is not None


def test_refusals_are_counted(database: Database, connection: Connection, receiver: str) -> None:
    """Responses of the last hour other than 200 are counted by status."""
    send_to(connection, receiver)
    connection.execute(
        "insert into net._http_response (id, status_code, created) values"
        " (1, 200, now()), (2, 503, now()), (3, 503, now()), (4, null, now()), (5, 500, now() - interval '2 hours')"
    )
    reported = [finding for finding in examined(database) if finding.check == "pg_net" and finding.level is NOTE]
    assert [finding.says.split(": ")[1] for finding in reported] == ["2 times 503, 1 times no answer"]


@pytest.mark.parametrize("loss", ["select", "delete from vault.secrets", "drop extension pgcrypto"])
@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET], ids=["agreed", "another"])
def test_no_finding_holds_a_secret(
    database: Database, connection: Connection, receiver: str, loss: str, secret: str
) -> None:
    """No finding contains a secret or a signature."""
    send_to(connection, receiver, f"{OTHER_SECRET} {SECRET}" if secret == SECRET else SECRET)
    connection.execute(loss)
    text = str(examined(database, secret=secret))
    assert [hidden for hidden in (SECRET[6:], OTHER_SECRET[6:], "v1,") if hidden in text] == []


def test_no_finding_holds_a_password(database: Database, connection: Connection, serve: Serve) -> None:
    """A finding does not show a password in the URL, which only SQL that bypasses auth_sync_send_to can store."""
    url = f"127.0.0.1:{serve(answers(404, ''))}/webhook/auth"
    send_to(connection, f"http://{url}")
    connection.execute("update auth_sync_settings set webhook_url = %s", [f"http://user:pass-canary@{url}"])
    assert "pass-canary" not in str(examined(database))
