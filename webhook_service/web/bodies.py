"""Reads the body of a WSGI request, up to a limit in bytes."""

from wsgiref.types import WSGIEnvironment

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from webhook_service.errors import BadPayload, PayloadTooLarge


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Read the whole body. Raises PayloadTooLarge, or BadPayload if the client sends only a part of the body."""
    try:  # Werkzeug silently cuts a body without Content-Length at its limit, so its limit is one byte larger
        body = get_input_stream(environ, max_content_length=limit + 1).read()
    except RequestEntityTooLarge as error:
        raise too_large(limit) from error
    except (OSError, ClientDisconnected, ParseException) as error:  # a broken connection or a malformed chunk
        raise unreadable() from error
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> PayloadTooLarge:
    """Return the error for a body of more than `limit` bytes."""
    return PayloadTooLarge("too_large", f"The body is larger than {limit} bytes.")


def unreadable() -> BadPayload:
    """Return the error for a body that ends too early, takes too long or is malformed."""
    return BadPayload("unreadable", "The body could not be read to its end.")
