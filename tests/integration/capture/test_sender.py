"""In a database with Supabase's extensions, the sender posts captured events through pg_net with a signature."""

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
    queries_that_show,
    queued,
    send_to,
    taken,
    verified_by_the_reference_library,
    verified_by_us,
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


def test_the_result_names_url_and_secrets(connection: Connection) -> None:
    """The result of auth_sync_send_to repeats the URL and counts the secrets."""
    assert send_to(connection, URL, NEW) == f"posting to {URL}, signed with one secret"
    assert send_to(connection, URL, f"{NEW} {OLD}") == f"posting to {URL}, signed with 2 secrets"
    assert send_to(connection, None, None) == "events are not posted; the relay applies every event"


@pytest.mark.parametrize(
    "url", ["", "service.example.com", "ftp://x.example.com", "https://", "https:// x", "https:///x"]
)
def test_a_bad_url_is_refused(connection: Connection, url: str) -> None:
    """auth_sync_send_to refuses an invalid URL with the reason, and sets no URL."""
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
    "an extra word": f"{NEW} c2VjcmV0",
    "percent": "whsec_%s%c2VjcmV0-%I",
}


@pytest.mark.parametrize("name", BAD_SECRETS)
def test_a_bad_secret_is_refused_and_not_repeated(connection: Connection, name: str) -> None:
    """auth_sync_send_to returns the refusal of a bad secret, because PostgreSQL would log an error with the secret."""
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
    """The result of auth_sync_send_to names a missing extension and how to enable it."""
    connection.execute(MISSING[name].encode())
    reported = send_to(connection, URL, NEW)
    assert f"without {name};" in reported
    assert "Database > Extensions" in reported


def test_all_missing_extensions_are_named(connection: Connection) -> None:
    """The result of auth_sync_send_to names all missing extensions."""
    for statement in MISSING.values():
        connection.execute(statement.encode())
    assert "pg_net, pgcrypto, supabase_vault" in send_to(connection, URL, NEW)
    assert send_to(connection, None, None) == "events are not posted; the relay applies every event"


@pytest.mark.parametrize("name", ["Jane", "Jané Ďoe", "日本 \U0001f600", 'quo"te \\ / \n\t', "\u2028é\u0301"])
def test_the_signature_is_over_the_bytes_sent(connection: Connection, auth: Auth, name: str) -> None:
    """The reference library and the service verify the signature of the bytes that the ledger holds as the payload."""
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
    """A signature is refused for a changed body and for another secret."""
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
    """Each transaction that changes a user posts one event, which the relay leaves alone for ten seconds.

    A sign-in posts no event.
    """
    send_to(connection, URL, NEW)
    jane = auth.sign_up("jane@example.com", auto_confirm=True)
    auth.sign_in(jane)
    auth.ban(jane, BAN_END)
    assert [request.event_id for request in queued(connection)] == [e["event_id"] for e in entries(connection, jane)]
    query = "select bool_and(next_attempt_at = created_at + interval '10 s') as late from integration_sync_log"
    assert connection.execute(query).fetchall() == [{"late": True}]


def test_a_rolled_back_event_is_not_posted(connection: Connection, database_url: str) -> None:
    """A request is part of Auth's transaction, as is the ledger's row, so that a rollback removes it."""
    send_to(connection, URL, NEW)
    with writer(database_url) as writing, writing.transaction(force_rollback=True):
        Auth(writing).sign_up("jane@example.com")
        writing.execute("set constraints all immediate")
    assert queued(connection) == []


def test_only_the_vault_has_the_secret(connection: Connection, auth: Auth) -> None:
    """The secret is only in the vault, not in the queue, headers, triggers, settings, ledger, functions or comments."""
    send_to(connection, URL, f"{NEW} {OLD}")
    jane = auth.sign_up("jane@example.com")
    auth.hard_delete(jane)
    assert len(queued(connection)) == 2
    assert queries_that_show(connection, [URL]) != []
    words = [word for secret in (NEW, OLD) for word in (secret.removeprefix("whsec_"), secret[6:20])]
    assert queries_that_show(connection, words) == []


def test_null_stops_the_posting(connection: Connection, auth: Auth) -> None:
    """A null URL deletes the secret from the vault and makes later events due at once. Posting can be enabled again."""
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
    """If an event cannot be posted, Auth's transaction commits and the event is due for the relay at once."""
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
"""The secrets of the sender and of the receiver at each step. Both begin with OLD."""


@pytest.mark.parametrize("order", ROTATIONS)
def test_a_rotation_loses_no_event(
    connection: Connection, database: Database, settings: Settings, auth: Auth, order: str
) -> None:
    """A rotation of secrets loses no event. If sender and receiver disagree, the relay applies the event."""
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


def test_a_transaction_waits_once_for_a_locked_queue(connection: Connection, database_url: str) -> None:
    """Many changes in one transaction wait only once for a lock on pg_net's queue, and are due for the relay."""
    send_to(connection, URL, NEW)
    reported: list[str | None] = []
    with locked(database_url, "net.http_request_queue"), writer(database_url) as writing:
        writing.add_notice_handler(lambda warning: reported.append(warning.message_primary))
        writing.execute("insert into users (id) select gen_random_uuid() from generate_series(1, 20)")
    assert len(reported) == 1
    assert len(connection.execute("select from integration_sync_log where next_attempt_at <= now()").fetchall()) == 20
