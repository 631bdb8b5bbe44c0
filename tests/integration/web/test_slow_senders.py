"""Slow senders, through a WSGI server with a thread for each connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest
from flask import Flask

from tests.auth_traffic import headers_for, insert
from tests.contract.serving import serving
from webhook_service.demo.traffic import body_of

STALLED = 40
"""More than the threads of Python's default pool on any machine."""


class Readers:
    """A layer around the application that counts the bodies that are being read."""

    def __init__(self, app: Flask) -> None:
        self._application = app.wsgi_app
        self._begun = threading.Semaphore(0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        environ["wsgi.input"] = Read(environ["wsgi.input"], self._begun)
        return self._application(environ, start_response)

    def wait_for(self, count: int) -> bool:
        return all(self._begun.acquire(timeout=10) for _ in range(count))


class Read:
    """An input that reports when the application begins to read it."""

    def __init__(self, body: Any, begun: threading.Semaphore) -> None:
        self._body = body
        self._begun = begun

    def read(self, size: int) -> bytes:
        self._begun.release()
        return bytes(self._body.read(size))


@pytest.fixture
def readers(app: Flask) -> Readers:
    readers = Readers(app)
    app.wsgi_app = readers  # type: ignore[method-assign]  # Flask documents this way to wrap
    return readers


@pytest.fixture
def url(app: Flask, readers: Readers) -> Iterator[str]:
    with serving(app) as url:
        yield url


def test_a_stalled_delivery_delays_no_other(url: str, readers: Readers) -> None:
    """A complete delivery is answered while many senders stop in the middle of their bodies."""
    body = body_of(insert())
    address = urlsplit(url)
    head = f"POST /webhook/auth HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with ExitStack() as stack:
        stalled = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), 10)) for _ in range(STALLED)
        ]
        for sender in stalled:
            sender.sendall(head + body[: len(body) // 2])
        assert readers.wait_for(STALLED)
        whole = httpx.post(f"{url}/webhook/auth", content=body, headers=headers_for(body), timeout=10)
        assert whole.json()["outcome"] == "unconfirmed"
        for sender in stalled:
            sender.shutdown(socket.SHUT_WR)
        assert {sender.recv(1000).split()[1] for sender in stalled} == {b"400"}
