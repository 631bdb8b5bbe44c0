"""Sends notices to apprise URLs (e-mail, Slack, Teams, ...). They hold passwords, so only a part of them is shown."""

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 12.0
"""How long all destinations together may take for a notice: less than a stopping server waits for its threads."""

SERVER_TIMEOUT_SECONDS = 10.0
"""How long a destination's server may take to accept a connection, and to send each part of its response."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination of notices.

    `url` holds passwords. `name` may be shown: it is the scheme, and the host unless that is a token.
    """

    url: str = field(repr=False)
    name: str

    def fingerprint(self, key: bytes) -> str:
        """Return 18 hex digits that identify the destination. Without the key, they reveal nothing about the URL."""
        return blake2b(self.url.encode(), key=key[:64], digest_size=9).hexdigest()

    def send(self, title: str, body: str) -> bool:
        """Send a message, and return whether the destination accepted it. Raises what the apprise plugin raises."""
        import apprise  # see _load

        service: Any = apprise.Apprise.instantiate(
            self.url
        )  # a new one each time, because two threads must not share one
        service.socket_connect_timeout = min(service.socket_connect_timeout, SERVER_TIMEOUT_SECONDS)
        service.socket_read_timeout = min(service.socket_read_timeout, SERVER_TIMEOUT_SECONDS)
        sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="webhook-service", async_mode=False))
        sender.add(service)
        return bool(sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def destinations(urls: Sequence[str]) -> tuple[Destination, ...]:
    """Convert apprise URLs. Raises ValueError, which names an unusable URL by its number and shows no part of it."""
    if urls:
        _load()
    found = []
    for number, url in enumerate(urls, start=1):
        import apprise

        try:
            service = apprise.Apprise.instantiate(url)
        except Exception as error:  # noqa: BLE001 (plugins raise anything, and the text may contain the URL)
            raise ValueError(f"number {number} cannot be used ({type(error).__name__})") from None
        if service is None:
            raise ValueError(f"number {number} is not a URL that apprise can send to")
        found.append(Destination(url, _name(url, service)))
    return tuple(found)


@dataclass(slots=True)
class Sending:
    """The destinations that have accepted a message so far.

    `late` receives a destination that accepts it after `end`.
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
    timeout: float = TIMEOUT_SECONDS,
    late: Callable[[Destination], object] = lambda destination: None,
) -> set[Destination]:
    """Send a message to all destinations at once, and return those that accepted it within `timeout` seconds.

    `late` receives each destination that accepts it later. Each destination has a daemon thread of its own, because the
    end of the process must not wait for it, as it would for a pool.
    """
    sending = Sending(late)
    threads = [threading.Thread(target=_send, args=[one, title, body, sending], daemon=True) for one in to]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    return sending.end()


def _send(destination: Destination, title: str, body: str, sending: Sending) -> None:
    try:
        if destination.send(title, body):
            sending.add(destination)
    except Exception as error:  # noqa: BLE001 (plugins raise anything)
        fields = {"destination": destination.name, "error": type(error).__name__}
        logging.getLogger(__name__).warning("the destination's plugin failed", extra=fields)


def _name(url: str, service: Any) -> str:
    parts = urlsplit(url)
    has_host = "host" in service.template_tokens  # Slack has a token in the place of the host
    return f"{parts.scheme}://{parts.hostname if has_host and parts.hostname else '...'}"


def _load() -> None:
    """Import apprise and its plugins.

    The import is late because it takes as long as the rest of the service together, and most installations have no
    destinations. It happens in one thread because `catch_warnings` affects all threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the e-mail plugin imports a module that Python will drop
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # apprise logs whole URLs and recipients
        apprise.Apprise.instantiate("json://localhost")  # makes apprise import its plugins
