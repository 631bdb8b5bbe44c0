"""The ASGI application. The event loop answers webhooks and /healthz. Flask answers all other requests in threads."""

import asyncio
from http import HTTPStatus

from a2wsgi import WSGIMiddleware
from a2wsgi.asgi_typing import ASGIApp, HTTPScope, Receive, ReceiveEvent, Scope, Send
from flask import Flask

from webhook_service.errors import BadPayload
from webhook_service.inbound.batching import GroupCommit
from webhook_service.web import Answer, Wiring, errors, health, webhooks
from webhook_service.web.api.imports import MAX_BYTES
from webhook_service.web.bodies import too_large, unreadable

THREADS = 10
"""The largest number of concurrent requests in Flask, in one process."""

PROBES = ("/readyz", "/metrics")
PROBE_THREADS = 2
"""The paths that have threads of their own, and their number.

An admin's requests may take more than a minute each. If they occupied all threads, a probe would end the process.
"""

BODY_SECONDS = 10.0
"""The time limit for a client to send a body."""

LARGE_BODIES = {"/admin/api/imports": MAX_BYTES, "/admin/employees/import": MAX_BYTES}
"""The limits of bodies that may be larger than others, by path."""

CONTENT_LENGTH = b"content-length"
TRANSFER_ENCODING = b"transfer-encoding"
SIGNED_HEADERS = {name.encode(): name for name in webhooks.HEADERS}


def application(app: Flask) -> ASGIApp:
    """Return the ASGI form of the application that `create_app` returns, with the same responses."""
    wiring: Wiring = app.extensions["wiring"]
    limit = wiring.settings.max_body_bytes
    commits = GroupCommit(wiring.database, wiring.settings.policy)
    # The send queue has no limit, because a thread would wait forever at a full queue if its client stopped reading.
    flask = WSGIMiddleware(app, workers=THREADS, send_queue_size=0)  # type: ignore[arg-type]  # it has its own types
    probes = WSGIMiddleware(app, workers=PROBE_THREADS, send_queue_size=0)  # type: ignore[arg-type]

    async def receive_webhook(scope: HTTPScope, receive: Receive) -> Answer:
        """Do the same as `web.webhooks.receive`. Deliveries that wait at the same time share one database call."""
        trip = webhooks.Trip(wiring)
        try:
            body = await receive_body(scope, receive, limit)
            work = trip.decide(body, signed_headers(scope))
            return trip.accepted(await commits.process(work))
        except Exception as error:  # noqa: BLE001 (after any error, the sender gets a problem document)
            return trip.refused(error)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if (detail := head_error(scope)) is not None:
            await respond(send, bad_request(detail))
        elif scope["path"] == webhooks.PATH and scope["method"] == "POST":
            await respond(send, await receive_webhook(scope, receive))
        elif scope["path"] == health.ALIVE_PATH and scope["method"] == "GET":
            await respond(send, health.alive())
        else:
            try:
                whole, body = await received_before(scope, receive, max(limit, LARGE_BODIES.get(scope["path"], 0)))
            except BadPayload as error:
                await respond(send, bad_request(error.detail))
            else:
                await (probes if scope["path"] in PROBES else flask)(whole, body, send)

    return answer


async def respond(send: Send, answer: Answer) -> None:
    """Send a whole response."""
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def head_error(scope: HTTPScope) -> str | None:
    """Return the reason to refuse a head that two servers could read differently, or None for a good head.

    An attacker can use such a head to smuggle a request past a proxy.
    """
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == TRANSFER_ENCODING and value.strip().lower() != b"chunked":
            return "The only supported Transfer-Encoding is chunked."
    if hosts > 1 or (hosts == 0 and scope["http_version"] != "1.0"):
        return "The request must have one Host header."
    return None


def bad_request(detail: str) -> Answer:
    """Return a 400 that closes the connection, because the start of the next request is not certain."""
    problem = errors.problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)
    return Answer(problem.status_code, [*problem.headers.items(), ("Connection", "close")], problem.get_data())


def signed_headers(scope: HTTPScope) -> dict[str, str]:
    """Return the headers that prove a delivery. A comma joins the values of a repeated header, as in WSGI."""
    found: dict[str, str] = {}
    for written, value in scope["headers"]:
        if (name := SIGNED_HEADERS.get(written)) is not None:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


async def receive_body(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    """Read the whole body. Raises PayloadTooLarge, or BadPayload if the body does not end within BODY_SECONDS."""
    if is_declared_too_large(scope, limit) or len(body := await received(receive, limit)) > limit:
        raise too_large(limit)
    return body


async def received_before(scope: HTTPScope, receive: Receive, limit: int) -> tuple[HTTPScope, Receive]:
    """Read the body before a thread handles the request, so that a slow client does not block the thread.

    Returns the scope with the body's length, and a `receive` that returns the body. If the Content-Length is over the
    limit, the body is not read. Otherwise reading ends just over the limit. Raises BadPayload.
    """
    body = b""
    if not is_declared_too_large(scope, limit):
        body = await received(receive, limit)
        scope = with_length(scope, len(body))
    first: list[ReceiveEvent] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> ReceiveEvent:
        return first.pop() if first else await receive()

    return scope, again


def with_length(scope: HTTPScope, length: int) -> HTTPScope:
    """Return the scope with a Content-Length instead of chunks, whose length and end Werkzeug cannot determine."""
    others = [(name, value) for name, value in scope["headers"] if name not in (CONTENT_LENGTH, TRANSFER_ENCODING)]
    return {**scope, "headers": [*others, (CONTENT_LENGTH, str(length).encode())]}


def is_declared_too_large(scope: HTTPScope, limit: int) -> bool:
    """Return whether the Content-Length is over the limit."""
    return any(name == CONTENT_LENGTH and int(value) > limit for name, value in scope["headers"])


async def received(receive: Receive, limit: int) -> bytes:
    """Read the body to its end, or until its size is over the limit. Raises BadPayload."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise unreadable()
                body += message["body"]
                if len(body) > limit or not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        raise unreadable() from error
