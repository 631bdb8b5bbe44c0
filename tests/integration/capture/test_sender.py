"""The sender posts captured events through pg_net, signed, in a database with Supabase's extensions."""

import json
from collections.abc import Callable, Iterator

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from tests.auth_stand_in import Auth
from tests.databases import dropped_afterwards
from tests.debian_postgres import Cluster
from tests.employees import Connection, employee, hire
from tests.integration.auth_actions import BAN_END
from tests.integration.breaking import IN_THE_SENDER, locked
from tests.integration.capturing import auth_on, entries, newest, prepared, reconciled, relay, writer
from tests.integration.migrating import execute
from tests.integration.sending import (
    NEW,
    OLD,
    URL,
    deliver,
    queued,
    send_to,
    taken,
    verified_by_the_reference_library,
    verified_by_us,
    where_it_shows,
)
from webhook_service.errors import BadSignature
from webhook_service.ports import Database
from webhook_service.settings import Settings


@pytest.fixture(scope="module")
def template(supabase_cluster: Cluster, new_supabase_database: Callable[..., str]) -> str:
    name = new_supabase_database()
    prepared(supabase_cluster.url(name))
    return name


@pytest.fixture
def database_url(supabase_cluster: Cluster, new_supabase_database: Callable[..., str], template: str) -> Iterator[str]:
    """A migrated database with pgcrypto, Vault and pg_net, in place of the embedded one."""
    with dropped_afterwards(supabase_cluster.url(new_supabase_database(template))) as url:
        yield url


@pytest.fixture
def auth(database_url: str) -> Iterator[Auth]:
    with auth_on(database_url) as auth:
        yield auth


def test_the_answer_says_what_is_posted(connection: Connection) -> None:
    """The answer repeats the URL and counts the secrets."""
    assert send_to(connection, URL, NEW) == f"posting to {URL}, signed with one secret"
    assert send_to(connection, URL, f"{NEW} {OLD}") == f"posting to {URL}, signed with 2 secrets"
    assert send_to(connection, None, None) == "events are not posted; the relay applies every event"


@pytest.mark.parametrize(
    "url", ["", "service.example.com", "ftp://x.example.com", "https://", "https:// x", "https:///x"]
)
def test_a_bad_url_is_refused(connection: Connection, url: str) -> None:
    """The answer names the error, and no URL is set."""
    assert send_to(connection, url, NEW).startswith("refused: the URL must begin with https://")
    [settings] = connection.execute("select webhook_url from auth_sync_settings").fetchall()
    assert settings["webhook_url"] is None


BAD_SECRETS = {
    "none": None,
    "empty": "",
    "without prefix": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==",
    "not base64": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXN!!",
    "too short": "whsec_c2VjcmV0",
    "too long": f"whsec_{'c2VjcmV0' * 20}",
    "wrong padding": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA",
    "one of two": f"{NEW} whsec_c2VjcmV0",
    "a word beside": f"{NEW} c2VjcmV0",
    "percent": "whsec_%s%c2VjcmV0-%I",
}


@pytest.mark.parametrize("name", BAD_SECRETS)
def test_a_bad_secret_is_refused_and_not_repeated(connection: Connection, name: str) -> None:
    """The refusal is an answer, because an error would write the secret to PostgreSQL's log. Nothing is set."""
    reported = send_to(connection, URL, BAD_SECRETS[name])
    assert reported == "refused: each secret must be whsec_ and base64 of 24 to 64 bytes"
    assert connection.execute("select from vault.secrets").fetchall() == []


MISSING = {
    "pg_net": "drop schema net cascade",
    "pgcrypto": "drop extension pgcrypto",
    "supabase_vault": "drop schema vault cascade",
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_extension_is_named(connection: Connection, name: str) -> None:
    """The answer says how to enable it."""
    connection.execute(MISSING[name].encode())
    reported = send_to(connection, URL, NEW)
    assert f"without {name};" in reported
    assert "Database > Extensions" in reported


def test_all_missing_extensions_are_named(connection: Connection) -> None:
    """One answer names all missing extensions."""
    for statement in MISSING.values():
        connection.execute(statement.encode())
    assert "pg_net, pgcrypto, supabase_vault" in send_to(connection, URL, NEW)
    assert send_to(connection, None, None) == "events are not posted; the relay applies every event"


@pytest.mark.parametrize("name", ["Jane", "Jané Ďoe", "日本 \U0001f600", 'quo"te \\ / \n\t', "\u2028é\u0301"])
def test_the_signature_is_over_the_bytes_sent(connection: Connection, auth: Auth, name: str) -> None:
    """The reference library and the service verify the signature; the bytes are the payload of the ledger."""
    send_to(connection, URL, NEW)
    jane = auth.admin_create("jané@example.com", user_metadata={"first_name": name})
    [request] = queued(connection)
    entry = newest(connection, jane)
    assert verified_by_the_reference_library(NEW, request) == entry["request_data"]
    assert json.loads(verified_by_us(NEW, request)) == entry["request_data"]
    assert (request.url, request.event_id) == (URL, entry["event_id"])
    assert request.headers["Content-Type"] == "application/json"
    assert entry["request_data"]["record"]["raw_user_meta_data"] == {"first_name": name}


def test_a_changed_body_does_not_verify(connection: Connection, auth: Auth) -> None:
    """Neither a changed body nor another secret verifies."""
    send_to(connection, URL, NEW)
    auth.sign_up("jane@example.com")
    [request] = queued(connection)
    with pytest.raises(WebhookVerificationError):
        verified_by_the_reference_library(OLD, request)
    with pytest.raises(BadSignature):
        verified_by_us(OLD, request)


@pytest.mark.parametrize("form", ["{}", "v1,{}", " {} ", "{} {old}", "{},{old}", "{}|v1,{old}"])
def test_secrets_are_written_as_webhook_secrets_has_them(connection: Connection, auth: Auth, form: str) -> None:
    """auth_sync_send_to accepts every form that WEBHOOK_SECRETS may have, and signs with the same keys."""
    text = form.format(NEW, old=OLD)
    send_to(connection, URL, text)
    auth.sign_up("jane@example.com")
    [request] = queued(connection)
    verified_by_us(text, request)
    verified_by_us(NEW, request)
    if "{old}" in form:
        verified_by_the_reference_library(OLD, request)


def test_one_event_is_posted_once(connection: Connection, auth: Auth) -> None:
    """Each transaction that changes a user posts one event; a sign-in posts none. The relay waits for ten seconds."""
    send_to(connection, URL, NEW)
    jane = auth.sign_up("jane@example.com", auto_confirm=True)
    auth.sign_in(jane)
    auth.ban(jane, BAN_END)
    assert [request.event_id for request in queued(connection)] == [e["event_id"] for e in entries(connection, jane)]
    query = "select bool_and(next_attempt_at = created_at + interval '10 s') as late from integration_sync_log"
    assert connection.execute(query).fetchall() == [{"late": True}]


def test_a_rolled_back_event_is_not_posted(connection: Connection, database_url: str) -> None:
    """A request is part of Auth's transaction, as the ledger's row is."""
    send_to(connection, URL, NEW)
    with writer(database_url) as writing, writing.transaction(force_rollback=True):
        Auth(writing).sign_up("jane@example.com")
        writing.execute("set constraints all immediate")
    assert queued(connection) == []


def test_no_secret_is_anywhere_but_in_the_vault(connection: Connection, auth: Auth) -> None:
    """No secret is in the queue, its headers, a trigger, the settings, the ledger, a function or a comment."""
    send_to(connection, URL, f"{NEW} {OLD}")
    jane = auth.sign_up("jane@example.com")
    auth.hard_delete(jane)
    assert len(queued(connection)) == 2
    assert where_it_shows(connection, [URL]) != []
    words = [word for secret in (NEW, OLD) for word in (secret.removeprefix("whsec_"), secret[6:20])]
    assert where_it_shows(connection, words) == []


def test_null_stops_the_posting(connection: Connection, auth: Auth) -> None:
    """Null deletes the secret from the vault and makes later events due at once; posting may be turned on again."""
    connection.execute("select vault.create_secret('another', 'of another service')")
    send_to(connection, URL, NEW)
    send_to(connection, None, None)
    jane = auth.sign_up("jane@example.com")
    assert queued(connection) == []
    assert newest(connection, jane)["next_attempt_at"] == newest(connection, jane)["created_at"]
    [left] = connection.execute("select decrypted_secret from vault.decrypted_secrets").fetchall()
    assert left["decrypted_secret"] == "another"
    send_to(connection, URL, OLD)
    auth.confirm(jane)
    [request] = queued(connection)
    verified_by_us(OLD, request)


@pytest.mark.parametrize("name", [*IN_THE_SENDER, "queue locked"])
def test_an_event_that_cannot_be_posted_is_captured(
    database_url: str, connection: Connection, database: Database, auth: Auth, name: str
) -> None:
    """Auth's transaction commits, the event is due for the relay at once, and reconciliation finds nothing."""
    send_to(connection, URL, NEW)
    employee_id = hire(connection, "jane@example.com")
    if name == "queue locked":
        with locked(database_url, "net.http_request_queue"):
            jane = auth.sign_up("jane@example.com", auto_confirm=True)
    else:
        execute(database_url, IN_THE_SENDER[name].sql)
        jane = auth.sign_up("jane@example.com", auto_confirm=True)
    [entry] = entries(connection, jane)
    assert entry["next_attempt_at"] == entry["created_at"]
    assert relay(database) == 1
    assert employee(connection, employee_id)["auth_user_id"] == jane
    assert reconciled(database, dry_run=True).differences == {}


ROTATIONS = {
    "sender first": [(f"{NEW} {OLD}", OLD), (f"{NEW} {OLD}", f"{NEW} {OLD}"), (f"{NEW} {OLD}", NEW), (NEW, NEW)],
    "receiver first": [(OLD, f"{NEW} {OLD}"), (f"{NEW} {OLD}", f"{NEW} {OLD}"), (NEW, f"{NEW} {OLD}"), (NEW, NEW)],
    "at once": [(NEW, OLD), (NEW, NEW)],
}
"""The secrets of the sender and of the receiver at each step; both begin with OLD."""


@pytest.mark.parametrize("order", ROTATIONS)
def test_a_rotation_loses_no_event(
    connection: Connection, database: Database, settings: Settings, auth: Auth, order: str
) -> None:
    """With either order each first delivery is accepted; where both differ, the relay applies the event."""
    connection.execute("update auth_sync_settings set relay_after = '0'")
    jane = auth.sign_up("jane@example.com")
    statuses = []
    for step, (sender, receiver) in enumerate(ROTATIONS[order]):
        send_to(connection, URL, sender)
        auth.admin_change_email(jane, f"jane{step}@example.com")
        statuses += deliver(settings, database, receiver, taken(connection))
    assert (401 in statuses) == (order == "at once")
    relay(database)
    assert {entry["status"] for entry in entries(connection, jane)} == {"SUCCESS"}
    assert reconciled(database, dry_run=True).differences == {}


def test_a_locked_queue_is_waited_for_once(connection: Connection, database_url: str) -> None:
    """Many changes in one transaction wait only once for a lock on pg_net's queue, and are due for the relay."""
    send_to(connection, URL, NEW)
    reported: list[str | None] = []
    with locked(database_url, "net.http_request_queue"), writer(database_url) as writing:
        writing.add_notice_handler(lambda warning: reported.append(warning.message_primary))
        writing.execute("insert into users (id) select gen_random_uuid() from generate_series(1, 20)")
    assert len(reported) == 1
    assert len(connection.execute("select from integration_sync_log where next_attempt_at <= now()").fetchall()) == 20
