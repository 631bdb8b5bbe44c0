"""The two ways in: ASGI, as our own server has it (`worker`), and WSGI, for any other.

A delivery goes to the webhook, all else to Flask.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from a2wsgi import WSGIMiddleware
from a2wsgi.asgi_typing import ASGIApp, HTTPScope, Receive, Scope, Send

from webhook_service.errors import BadPayload, ServiceError
from webhook_service.web import Wiring
from webhook_service.web.bodies import read_body, receive_body, received_before
from webhook_service.web.webhooks import CONTENT_TYPE, HEADERS, PATH, Arrival, answer

T = TypeVar("T")

THREADS = 10
"""Requests of Flask at once, in one process."""

ASGI_HEADERS = {name.encode(): name for name in HEADERS}
WSGI_HEADERS = {name: ("" if name == CONTENT_TYPE else "HTTP_") + name.upper().replace("-", "_") for name in HEADERS}


def asgi(others: WSGIApplication, wiring: Wiring) -> ASGIApp:
    """Deliveries are answered in the event loop; Flask's requests get a thread once their body is there."""
    limit = wiring.settings.max_body_bytes
    # Without a limit for what is to be sent: at one, a thread would wait for ever for who has stopped reading.
    flask = WSGIMiddleware(others, workers=THREADS, send_queue_size=0)  # type: ignore[arg-type]  # it has its own types

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await flask(scope, receive, send)
        elif scope["path"] == PATH and scope["method"] == "POST":
            arrival = Arrival(headers_of(scope), partial(receive_body, scope, receive, limit))
            status, headers, body = await answer(arrival, wiring)
            written = [(name.lower().encode(), value.encode()) for name, value in headers]
            await send({"type": "http.response.start", "status": status, "headers": written})
            await send({"type": "http.response.body", "body": body})
        else:
            try:
                measured, body_first = await received_before(scope, receive, limit)
            except BadPayload:
                return  # nobody is there to be answered
            await flask(measured, body_first, send)

    return application


def headers_of(scope: HTTPScope) -> dict[str, str]:
    """One that is there twice is one with a comma, as in WSGI."""
    found: dict[str, str] = {}
    for written, value in scope["headers"]:
        if (name := ASGI_HEADERS.get(written)) is not None:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


def wsgi(others: WSGIApplication, wiring: Wiring) -> WSGIApplication:
    """Deliveries are answered in an event loop beside the server's threads, all in one."""
    in_loop = LoopBeside()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "POST":
            return others(environ, start_response)
        headers = {name: environ[key] for name, key in WSGI_HEADERS.items() if key in environ}
        read = read_in_this_thread(environ, wiring.settings.max_body_bytes)
        status, answered, body = in_loop.run(answer(Arrival(headers, read), wiring))
        start_response(f"{status} {HTTPStatus(status).phrase}", list(answered))
        return [body]

    return application


def read_in_this_thread(environ: WSGIEnvironment, limit: int) -> Callable[[], Awaitable[bytes]]:
    """The body is read now, so that a slow sender holds up its own thread alone; what went wrong is told later."""
    body: bytes | ServiceError
    try:
        body = read_body(environ, limit)
    except ServiceError as error:
        body = error

    async def read() -> bytes:
        if isinstance(body, ServiceError):
            raise body
        return body

    return read


class LoopBeside:
    """An event loop in a thread of its own, which starts with the first call: after any fork."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="webhook", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
