"""Where messages go: apprise's URLs (e-mail, Slack, Teams, ...). They hold passwords, so only a part is ever shown."""

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 12.0
"""Seconds that all destinations together have for a message: less than a server that stops waits for its threads."""

LONGEST_SILENCE = 10.0
"""Seconds that a server may say nothing."""


@dataclass(frozen=True, slots=True)
class Destination:
    """`name` may be shown: the scheme, and the host where that is no token."""

    url: str = field(repr=False)
    name: str

    def fingerprint(self, key: bytes) -> str:
        """Tells it from others, and nothing of what is in it to who has not the key."""
        return blake2b(self.url.encode(), key=key[:64], digest_size=9).hexdigest()

    def send(self, title: str, body: str) -> bool:
        """Whether it was taken."""
        import apprise  # see _load

        service: Any = apprise.Apprise.instantiate(self.url)  # anew each time: two threads never share one
        service.socket_connect_timeout = min(service.socket_connect_timeout, LONGEST_SILENCE)
        service.socket_read_timeout = min(service.socket_read_timeout, LONGEST_SILENCE)
        sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="webhook-service", async_mode=False))
        sender.add(service)
        return bool(sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def destinations(urls: Sequence[str]) -> tuple[Destination, ...]:
    """Raises ValueError, which says which one cannot be used, and nothing of what is in it."""
    if urls:
        _load()
    found = []
    for number, url in enumerate(urls, start=1):
        import apprise

        try:
            service = apprise.Apprise.instantiate(url)
        except Exception as error:  # noqa: BLE001 (plugins raise what they like, and it may name the URL)
            raise ValueError(f"number {number} cannot be used ({type(error).__name__})") from None
        if service is None:
            raise ValueError(f"number {number} is no URL that apprise can send to")
        found.append(Destination(url, _name(url, service)))
    return tuple(found)


@dataclass(slots=True)
class Sending:
    """Who has taken a message; `late` is told of those who take it after nobody waits any more."""

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
    patience: float = PATIENCE,
    late: Callable[[Destination], object] = lambda destination: None,
) -> set[Destination]:
    """To all at once, waiting for no more than `patience` seconds; returns those that have taken it by then.

    Each has a thread of its own, which nobody waits for any longer: a pool would, when the process ends.
    """
    sending = Sending(late)
    threads = [threading.Thread(target=_send, args=[one, title, body, sending], daemon=True) for one in to]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    return sending.end()


def _send(destination: Destination, title: str, body: str, sending: Sending) -> None:
    try:
        if destination.send(title, body):
            sending.add(destination)
    except Exception as error:  # noqa: BLE001 (plugins raise what they like)
        fields = {"destination": destination.name, "error": type(error).__name__}
        logging.getLogger(__name__).warning("the destination's plugin has failed", extra=fields)


def _name(url: str, service: Any) -> str:
    parts = urlsplit(url)
    has_host = "host" in service.template_tokens  # where others have it, Slack has a token
    return f"{parts.scheme}://{parts.hostname if has_host and parts.hostname else '...'}"


def _load() -> None:
    """Apprise and its plugins: as late as here, because they take as long as all the rest of us together, and most have
    nobody to tell; and in one thread, because warnings are switched for all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its e-mail plugin asks for a module that Python drops
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it writes whole URLs, and who was written to
        apprise.Apprise.instantiate("json://localhost")  # has it import its plugins
