"""Limits the long requests of admins, so that the other pages and routes keep most threads of the server."""

from threading import BoundedSemaphore

from flask import Blueprint, g, request

from webhook_service.errors import Unavailable

MOST = 4
"""The number of long requests that one process serves at a time. `server.asgi.THREADS` serve all requests."""

BUSY = "Other long requests are under way. Try again in a minute."

_free = BoundedSemaphore(MOST)


def limit(views: Blueprint) -> None:
    """Refuse a post to these views while `MOST` long requests are under way. Raises Unavailable (`busy`)."""

    @views.before_request
    def begin() -> None:
        if request.method == "POST":
            if not _free.acquire(blocking=False):
                raise Unavailable("busy", BUSY)
            g.is_long_request = True

    @views.teardown_request
    def end(error: BaseException | None) -> None:
        if g.pop("is_long_request", False):
            _free.release()
