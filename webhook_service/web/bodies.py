"""The body of a request, read to its end and up to a limit in bytes: as WSGI and as ASGI hand it over.

Raises PayloadTooLarge, or BadPayload where the sender did not come to the end.
"""

from wsgiref.types import WSGIEnvironment

from a2wsgi.asgi_typing import HTTPScope, Receive, ReceiveEvent
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from webhook_service.errors import BadPayload, PayloadTooLarge

CONTENT_LENGTH = b"content-length"
TRANSFER_ENCODING = b"transfer-encoding"


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    try:  # Werkzeug gives what it has read up to its limit for the whole, where no header says how long that is
        body = get_input_stream(environ, max_content_length=limit + 1).read()
    except RequestEntityTooLarge as error:
        raise too_large(limit) from error
    except (OSError, ClientDisconnected, ParseException) as error:  # a connection that broke; a chunk that is none
        raise unreadable() from error
    if len(body) > limit:
        raise too_large(limit)
    return body


async def receive_body(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    if is_declared_too_large(scope, limit) or len(body := await received(receive, limit)) > limit:
        raise too_large(limit)
    return body


async def received_before(scope: HTTPScope, receive: Receive, limit: int) -> tuple[HTTPScope, Receive]:
    """A `receive` that has the body already, for who would block a thread for a slow sender, and a scope that says how
    long it is. Of one that is too large, as much as tells; nothing where a header tells.
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
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise unreadable()
        body += message["body"]
        if len(body) > limit or not message.get("more_body"):
            return body


def too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge("too_large", f"The body is over {limit} bytes.")


def unreadable() -> BadPayload:
    return BadPayload("unreadable", "The body could not be read to its end.")
