"""Random requests over all routes. `python -m benchmarks.fuzz` sends more of them."""

import random

import pytest
from flask import Flask

from tests.acceptance.conftest import StartServer
from tests.acceptance.fuzzing import Fuzzer, hire, routes_of
from tests.acceptance.raw_http import unharmed

SECONDS = 8.0


@pytest.mark.campaign
def test_random_requests_cause_no_hang_no_crash_and_no_unexpected_error(start_server: StartServer, app: Flask) -> None:
    """The server answers or closes within a second, keeps its worker, and sends no 5xx but 503, for any request."""
    seed = random.randrange(10**6)
    server = start_server(WEB_CONCURRENCY="1", AUTH_ADMIN="local")
    hire(server.url)
    with unharmed(server):
        found = Fuzzer(server.url, routes_of(app), seed).run(SECONDS)
    assert found.answers[200], f"seed {seed}"
    assert (found.hangs, found.errors) == ([], []), f"seed {seed}"
    assert "unexpected error" not in server.log(), f"seed {seed}"
