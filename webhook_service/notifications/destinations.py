"""Sends notices to apprise URLs (e-mail, Slack, Teams, ...). URLs hold passwords, so only a part of them is shown."""

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 12.0
"""The time limit of all destinations together for a notice. A stopping server waits longer for its threads."""

SERVER_TIMEOUT_SECONDS = 10.0
"""The time limit of a destination's server to accept a connection, and to send each part of its response."""


class Level(StrEnum):
    """The kind of a message, which a destination may show by a colour or a symbol. The values are apprise's."""

    FAILURE = "failure"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination of notices.

    `url` holds passwords. `name` may be shown. It is the URL's scheme, and the host unless the host is a token.
    """

    url: str = field(repr=False)
    name: str

    def fingerprint(self, key: bytes) -> str:
        """Return 18 hex digits that identify the destination. Without the key, they do not reveal the URL."""
        return blake2b(self.url.encode(), key=key[:64], digest_size=9).hexdigest()

    def send(self, title: str, body: str, level: Level) -> bool:
        """Send a message, and return whether the destination accepted it. Raises the errors of the apprise plugin."""
        import apprise  # see _load

        service: Any = apprise.Apprise.instantiate(
            self.url
        )  # a new service for each message, because two threads must not share a service
        service.socket_connect_timeout = min(service.socket_connect_timeout, SERVER_TIMEOUT_SECONDS)
        service.socket_read_timeout = min(service.socket_read_timeout, SERVER_TIMEOUT_SECONDS)
        sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Auth sync", async_mode=False))
        sender.add(service)
        return bool(
            sender.notify(
                body=body, title=title, notify_type=apprise.NotifyType(level), body_format=apprise.NotifyFormat.TEXT
            )
        )


def destinations(urls: Sequence[str]) -> tuple[Destination, ...]:
    """Convert apprise URLs. Raises ValueError with the number of an unusable URL, but without any part of the URL."""
    if urls:
        _load()
    found = []
    for number, url in enumerate(urls, start=1):
        import apprise

        try:
            service = apprise.Apprise.instantiate(url)
        except Exception as error:  # noqa: BLE001 (a plugin may raise any error, and the text may contain the URL)
            raise ValueError(f"number {number} cannot be used ({type(error).__name__})") from None
        if service is None:
            raise ValueError(f"number {number} is not a URL that apprise can send to")
        found.append(Destination(url, _name(url, service)))
    return tuple(found)


@dataclass(slots=True)
class Sending:
    """The destinations that have accepted a message so far.

    `late` receives each destination that accepts the message after `end`.
    """

    late: Callable[[Destination], object]
    taken: set[Destination] = field(default_factory=set)
    is_over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, destination: Destination) -> None:
        with self.lock:
            if not self.is_over:
                self.taken.add(destination)
                return
        self.late(destination)

    def end(self) -> set[Destination]:
        with self.lock:
            self.is_over = True
            return self.taken


def send(
    to: Iterable[Destination],
    title: str,
    body: str,
    *,
    level: Level,
    timeout: float = TIMEOUT_SECONDS,
    late: Callable[[Destination], object] = lambda destination: None,
) -> set[Destination]:
    """Send a message to all destinations concurrently, and return the destinations that accepted it in time.

    `timeout` is in seconds. `late` receives each destination that accepts the message later. Each destination has a
    separate daemon thread, because the end of the process would wait for the threads of a pool.
    """
    sending = Sending(late)
    threads = [threading.Thread(target=_send, args=[one, title, body, level, sending], daemon=True) for one in to]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    return sending.end()


def _send(destination: Destination, title: str, body: str, level: Level, sending: Sending) -> None:
    try:
        if destination.send(title, body, level):
            sending.add(destination)
    except Exception as error:  # noqa: BLE001 (a plugin may raise any error)
        fields = {"destination": destination.name, "error": type(error).__name__}
        logging.getLogger(__name__).warning("the destination's plugin failed", extra=fields)


def _name(url: str, service: Any) -> str:
    parts = urlsplit(url)
    has_host = "host" in service.template_tokens  # Slack has a token in the place of the host
    return f"{parts.scheme}://{parts.hostname if has_host and parts.hostname else '...'}"


def _load() -> None:
    """Import apprise and its plugins.

    The import is late, because it takes as long as all other imports of the service together, and most installations
    have no destinations. It runs in one thread, because `catch_warnings` affects all threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the e-mail plugin imports a deprecated module
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # apprise logs whole URLs and recipients
        apprise.Apprise.instantiate("json://localhost")  # makes apprise import its plugins
