"""Sends one event to one subscriber: signed, to an address that was checked, without redirects, within ten seconds.

The host is resolved once, and the connection goes to an address of that answer. A second resolution could give another
address (DNS rebinding). The certificate is still verified for the host's name, by the authorities of certifi, or of
SSL_CERT_FILE or SSL_CERT_DIR.
"""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import httpx

from webhook_service.errors import NotPossible
from webhook_service.events import Json
from webhook_service.inbound.signature import Secret, sign_with_each
from webhook_service.subscribers.targets import PrivateAddress, allowed, check_url

TIMEOUT_SECONDS = 10.0
"""The time limit of a whole attempt: the resolution, the connections and the answer's head."""

CONNECT_SECONDS = 3.0
"""The time limit of a connection, after which the next address of the host is tried."""

HEADERS = {"content-type": "application/json", "user-agent": "webhook-service", "accept-encoding": "identity"}

Result = TypeVar("Result")

Resolve = Callable[[str, int], Sequence[str]]
"""Returns the IP addresses of a host, for a port. It may block. Raises OSError and UnicodeError."""


@dataclass(frozen=True, slots=True)
class Target:
    """The URL of a subscriber, with the secrets that sign, newest first."""

    url: str
    secrets: tuple[Secret, ...]
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an attempt. `error` is a stable reason, or None after a 2xx. `retry_after` is in seconds."""

    status_code: int | None = None
    error: str | None = None
    retry_after: int | None = None


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def resolved(resolve: Resolve, host: str, port: int) -> Sequence[str]:
    """Resolve a host in a thread of its own. At its end, an event loop would wait for a thread of its executor."""
    answer = Future[Sequence[str]]()
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            answer.set_result(resolve(host, port))
        except BaseException as error:  # noqa: BLE001 (it is raised where the answer is awaited)
            answer.set_exception(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await asyncio.wrap_future(answer)


def completed(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in a thread of its own, because the caller's thread may have an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def send_to(
    described: Json,
    webhook_id: str,
    payload: Json,
    *,
    private_addresses: bool,
    now: datetime,
    resolve: Resolve = resolve_host,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send an event once, to the target that the database has described as {"url", "secrets", "allow_private"}."""
    try:
        secrets = tuple(Secret.parse(text) for text in described["secrets"])
    except ValueError:  # the secret was changed in the database
        return Answer(error="bad_secret")
    target = Target(described["url"], secrets, described["allow_private"] and private_addresses)
    return await send(target, webhook_id, payload, now=now, resolve=resolve, tls=tls)


async def send(
    target: Target,
    webhook_id: str,
    payload: Json,
    *,
    now: datetime,
    resolve: Resolve = resolve_host,
    timeout: float = TIMEOUT_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send an event once. Every failure is an Answer with an error. `tls` saves a call of `trusted_authorities`."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    headers = HEADERS | sign_with_each(target.secrets, webhook_id, body, now=now)
    try:
        async with asyncio.timeout(timeout):
            return await _post(target, headers, body, resolve, tls)
    except (TimeoutError, httpx.TimeoutException):
        return Answer(error="timed_out")
    except PrivateAddress:
        return Answer(error="private_address")
    except NotPossible as error:
        return Answer(error=error.reason)
    except httpx.ConnectError as error:
        return Answer(error="bad_certificate" if is_of_certificate(error) else "unreachable")
    except (httpx.HTTPError, httpx.InvalidURL):
        return Answer(error="broken_answer")
    except (OSError, UnicodeError):
        return Answer(error="name_not_resolved")


def is_of_certificate(error: BaseException | None) -> bool:
    """Return whether an error, or a cause of it, says that a certificate is not valid."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def trusted_authorities() -> ssl.SSLContext:
    """Read the authorities whose certificates are trusted, which takes some 20 ms."""
    return httpx.create_ssl_context()


async def _post(
    target: Target, headers: dict[str, str], body: bytes, resolve: Resolve, tls: ssl.SSLContext | None
) -> Answer:
    check_url(target.url, allow_private=target.allow_private)
    url = httpx.URL(target.url)
    host = url.raw_host.decode("ascii")
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = allowed(await resolved(resolve, host, port), allow_private=target.allow_private)
    limits = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
    # The proxies of the environment would connect to an address that nobody has checked.
    async with httpx.AsyncClient(
        trust_env=False, verify=tls or trusted_authorities(), follow_redirects=False, timeout=limits
    ) as client:
        for position, address in enumerate(addresses, 1):
            request = client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers | {"host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": host},
            )
            try:
                response = await client.send(request, stream=True)  # the body is not read
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if position == len(addresses):
                    raise
                continue
            await response.aclose()
            return answer_of(response)
    return Answer(error="name_not_resolved")


def answer_of(response: httpx.Response) -> Answer:
    """Return the answer with this status. A redirect is an error, because its target was not checked."""
    if response.is_success:
        return Answer(response.status_code)
    seconds = response.headers.get("retry-after", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) < 7
    return Answer(response.status_code, f"status_{response.status_code}", int(seconds) if is_number else None)
