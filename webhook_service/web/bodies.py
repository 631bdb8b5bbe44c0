"""The body of a request, read to its end and up to a limit in bytes, as WSGI hands it over."""

from wsgiref.types import WSGIEnvironment

from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from webhook_service.errors import BadPayload, PayloadTooLarge


def read_body(environ: WSGIEnvironment, limit: int) -> bytes:
    """Raises PayloadTooLarge, or BadPayload where the sender did not come to the end."""
    try:  # Werkzeug gives what it has read up to its limit for the whole, where no header says how long that is
        body = get_input_stream(environ, max_content_length=limit + 1).read()
    except RequestEntityTooLarge as error:
        raise too_large(limit) from error
    except (OSError, ClientDisconnected, ParseException) as error:  # a broken connection; a malformed chunk
        raise unreadable() from error
    if len(body) > limit:
        raise too_large(limit)
    return body


def too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge("too_large", f"The body is over {limit} bytes.")


def unreadable() -> BadPayload:
    return BadPayload("unreadable", "The body could not be read to its end.")
