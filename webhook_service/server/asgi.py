"""The application as ASGI: the event loop answers webhooks and /healthz, Flask everything else in threads."""

import asyncio
from http import HTTPStatus

from a2wsgi import WSGIMiddleware
from a2wsgi.asgi_typing import ASGIApp, HTTPScope, Receive, ReceiveEvent, Scope, Send
from flask import Flask

from webhook_service.errors import BadPayload
from webhook_service.inbound.batching import GroupCommit
from webhook_service.web import Answer, Wiring, errors, health, webhooks
from webhook_service.web.bodies import too_large, unreadable

THREADS = 10
"""Requests in Flask at the same time, in one process."""

BODY_SECONDS = 10.0
"""How long a sender may take for a body."""

CONTENT_LENGTH = b"content-length"
TRANSFER_ENCODING = b"transfer-encoding"
SIGNED_HEADERS = {name.encode(): name for name in webhooks.HEADERS}


def application(app: Flask) -> ASGIApp:
    """`app` is what `create_app` returns; its views are the same functions that answer here."""
    wiring: Wiring = app.extensions["wiring"]
    limit = wiring.settings.max_body_bytes
    commits = GroupCommit(wiring.database, wiring.settings.policy)
    # No limit for what is to be sent: at one, a thread would wait for ever for a client that has stopped reading.
    flask = WSGIMiddleware(app, workers=THREADS, send_queue_size=0)  # type: ignore[arg-type]  # it has its own types

    async def receive_webhook(scope: HTTPScope, receive: Receive) -> Answer:
        """The trip of `web.webhooks.receive`, together with the other deliveries that wait at this moment."""
        trip = webhooks.Trip(wiring)
        try:
            body = await receive_body(scope, receive, limit)
            work = trip.decide(body, signed_headers(scope))
            return trip.accepted(await commits.process(work))
        except Exception as error:  # noqa: BLE001 (whatever it is: the sender gets a problem document)
            return trip.refused(error)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if (doubt := doubtful_head(scope)) is not None:
            await respond(send, bad_request(doubt))
        elif scope["path"] == webhooks.PATH and scope["method"] == "POST":
            await respond(send, await receive_webhook(scope, receive))
        elif scope["path"] == health.ALIVE_PATH and scope["method"] == "GET":
            await respond(send, health.alive())
        else:
            try:
                whole, body = await received_before(scope, receive, limit)
            except BadPayload as error:
                await respond(send, bad_request(error.detail))
            else:
                await flask(whole, body, send)

    return answer


async def respond(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def doubtful_head(scope: HTTPScope) -> str | None:
    """What two servers could read in two ways, which is how requests are smuggled past a proxy; None: nothing."""
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == TRANSFER_ENCODING and value.strip().lower() != b"chunked":
            return "The only Transfer-Encoding is chunked."
    if hosts > 1 or (hosts == 0 and scope["http_version"] != "1.0"):
        return "There must be one Host."
    return None


def bad_request(detail: str) -> Answer:
    """Closes the connection: where its next request begins is not certain."""
    problem = errors.problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)
    return Answer(problem.status_code, [*problem.headers.items(), ("Connection", "close")], problem.get_data())


def signed_headers(scope: HTTPScope) -> dict[str, str]:
    """A repeated header is one with a comma, as in WSGI."""
    found: dict[str, str] = {}
    for written, value in scope["headers"]:
        if (name := SIGNED_HEADERS.get(written)) is not None:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


async def receive_body(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    """Raises PayloadTooLarge, or BadPayload where the sender did not come to the end in time."""
    if is_declared_too_large(scope, limit) or len(body := await received(receive, limit)) > limit:
        raise too_large(limit)
    return body


async def received_before(scope: HTTPScope, receive: Receive, limit: int) -> tuple[HTTPScope, Receive]:
    """The whole body, for a thread that a slow sender must not hold up, as a `receive` that has it already and a scope
    that says how long it is. Of one that is too large, as much as shows that; nothing where a header does.
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
    """Werkzeug looks for no length where the body was sent in chunks, and then for no end either."""
    others = [(name, value) for name, value in scope["headers"] if name not in (CONTENT_LENGTH, TRANSFER_ENCODING)]
    return {**scope, "headers": [*others, (CONTENT_LENGTH, str(length).encode())]}


def is_declared_too_large(scope: HTTPScope, limit: int) -> bool:
    return any(name == CONTENT_LENGTH and int(value) > limit for name, value in scope["headers"])


async def received(receive: Receive, limit: int) -> bytes:
    """To its end, or to where it is over the limit."""
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
