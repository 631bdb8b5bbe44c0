"""Long requests of admins leave threads of the server to others."""

import threading
from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, Flask

from webhook_service.server.asgi import THREADS
from webhook_service.web import errors
from webhook_service.web.long_requests import MOST, limit

PATIENCE_SECONDS = 10.0


def test_more_long_requests_are_refused() -> None:
    """While MOST are under way, another one gets 503 and Retry-After. It is accepted when one of them has ended."""
    app, is_over, started = Flask(__name__), threading.Event(), threading.Semaphore(0)
    views = Blueprint("long", __name__)
    limit(views)
    errors.register(app)

    @views.post("/long")
    def long() -> str:
        started.release()
        is_over.wait(PATIENCE_SECONDS)
        return ""

    @views.get("/short")
    def short() -> str:
        return ""

    app.register_blueprint(views)
    with ThreadPoolExecutor(MOST) as threads:
        requests = [threads.submit(app.test_client().post, "/long") for _ in range(MOST)]
        for _ in requests:
            assert started.acquire(timeout=PATIENCE_SECONDS)
        refused = app.test_client().post("/long")
        assert (refused.status_code, refused.get_json()["reason"]) == (503, "busy")
        assert refused.headers["Retry-After"]
        assert app.test_client().get("/short").status_code == 200
        is_over.set()
        assert [request.result().status_code for request in requests] == [200] * MOST
    assert app.test_client().post("/long").status_code == 200


def test_long_requests_do_not_need_all_threads() -> None:
    assert MOST <= THREADS // 2
