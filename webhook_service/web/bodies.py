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


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    try:
        return get_input_stream(environ, max_content_length=limit).read()
    except RequestEntityTooLarge as error:
        raise too_large(limit) from error
    except (OSError, ClientDisconnected, ParseException) as error:  # a connection that broke; a chunk that is none
        raise unreadable() from error


async def receive_body(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    if is_declared_too_large(scope, limit) or len(body := await received(receive, limit)) > limit:
        raise too_large(limit)
    return body


async def received_before(scope: HTTPScope, receive: Receive, limit: int) -> Receive:
    """A `receive` that has the body already, for who would block a thread for a slow sender. Of one that is too large,
    as much as tells; nothing where a header tells.
    """
    body = b"" if is_declared_too_large(scope, limit) else await received(receive, limit)
    first: list[ReceiveEvent] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> ReceiveEvent:
        return first.pop() if first else await receive()

    return again


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
