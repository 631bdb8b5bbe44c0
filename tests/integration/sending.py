"""The sender on a database with Supabase's extensions, and receivers of its posts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.employees import Connection
from webhook_service.app import create_app
from webhook_service.inbound import signature
from webhook_service.inbound.signature import parse_secrets
from webhook_service.ports import Database
from webhook_service.settings import Settings

OLD = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC1zZWNyZXQ="
NEW = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ="
URL = "https://service.example.com/webhook/auth"


@dataclass(frozen=True, slots=True)
class Request:
    """A row of pg_net's queue."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


def send_to(connection: Connection, url: str | None, secrets: str | None) -> str:
    """Make the documented call of auth_sync_send_to, and return its result."""
    answer = connection.execute("select public.auth_sync_send_to(%s, %s) as answer", [url, secrets]).fetchone()
    assert answer is not None
    return str(answer["answer"])


def queued(connection: Connection) -> list[Request]:
    found = connection.execute("select url, headers, body from net.http_request_queue order by id")
    return [Request(row["url"], row["headers"], bytes(row["body"])) for row in found]


def taken(connection: Connection) -> list[Request]:
    """Return the queued requests and empty the queue, as pg_net's worker does."""
    requests = queued(connection)
    connection.execute("delete from net.http_request_queue")
    return requests


def verified_by_the_reference_library(secret: str, request: Request) -> Any:
    """Return the verified document. Raises the library's errors."""
    return Webhook(secret).verify(request.body, dict(request.headers))


def verified_by_us(secrets: str, request: Request) -> bytes:
    """Return the verified body. Raises BadSignature."""
    return signature.verify(parse_secrets(secrets), request.headers, request.body, now=datetime.now(UTC)).body


def deliver(settings: Settings, database: Database, secrets: str, requests: Iterable[Request]) -> list[int]:
    """Post the requests to a receiver with these secrets, and return the statuses of its responses."""
    client = create_app(replace(settings, webhook_secrets=parse_secrets(secrets)), database).test_client()
    return [client.post("/webhook/auth", data=r.body, headers=dict(r.headers)).status_code for r in requests]


def queries_that_show(connection: Connection, words: Sequence[str]) -> list[str]:
    """Return the queries that find a row with one of the words.

    The queries read tables (except the vault's), functions, triggers and settings.
    """
    names = [
        row["name"]
        for row in connection.execute(
            "select c.oid::regclass::text as name from pg_class c where c.relkind in ('r', 'p', 'm', 'v')"
            " and c.relnamespace in ('public'::regnamespace, 'net'::regnamespace)"
        )
    ]
    queries = [f"select t::text as row from {name} t" for name in names]  # noqa: S608
    queries += [
        "select pg_get_triggerdef(oid) as row from pg_trigger",
        "select prosrc as row from pg_proc where pronamespace = 'public'::regnamespace",
        "select setting as row from pg_settings",
        "select description as row from pg_description",
    ]
    found = []
    for query in queries:
        texts = [str(row["row"]) for row in connection.execute(query.encode())]
        # bytea is shown in hexadecimal.
        found += [query for text in texts for word in words if word in text or word.encode().hex() in text]
    return found
