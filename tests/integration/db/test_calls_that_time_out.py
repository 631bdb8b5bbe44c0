"""Calls whose deadline passes while the database does not read the request. The loop is uvloop's, as in the server."""

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict

from tests.integration.db.test_database_outages import proxied
from tests.integration.misbehaving_servers import Behaviour, Serve
from webhook_service.db.direct import DirectDatabase
from webhook_service.errors import Unavailable

FILLS_ALL_BUFFERS = "x" * 30_000_000
"""A parameter that the buffers of the sockets cannot hold, so that the end of the request is not sent."""


def reads_the_login_only(database_url: str) -> Behaviour:
    """Return a proxy to the real database, which reads nothing after the login."""
    path = f"{conninfo_to_dict(database_url)['host']}/.s.PGSQL.5432"

    def behaviour(connection: socket.socket, over: threading.Event) -> None:
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(path)
            for _ in range(2):  # the request for TLS, and the startup message
                upstream.sendall(connection.recv(65536))
                connection.sendall(upstream.recv(65536))
            over.wait()

    return behaviour


def in_thread(direct: DirectDatabase) -> None:
    direct.call("auth_sync_schema_v1", unread=FILLS_ALL_BUFFERS)


def in_loop(direct: DirectDatabase) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(direct.call_soon("auth_sync_schema_v1", unread=FILLS_ALL_BUFFERS))


def reason_for(call: Callable[[DirectDatabase], None], direct: DirectDatabase) -> str:
    try:
        call(direct)
    except Unavailable as error:
        return error.reason
    raise AssertionError("the call has succeeded")


@pytest.mark.parametrize("call", [in_thread, in_loop])
def test_a_request_that_is_not_read_times_out_without_a_traceback(
    serve: Serve,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[DirectDatabase], None],
) -> None:
    """The call ends at its deadline as slow, and nothing is written to the log besides the error of the call."""
    caplog.set_level("ERROR", "psycopg")  # as in the server; a record of a warning would keep the generators
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    direct = DirectDatabase(proxied(database_url, serve(reads_the_login_only(database_url))), call_timeout=1)
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps a loop running in this thread
        assert elsewhere.submit(reason_for, call, direct).result() == "database_slow"
    direct.close()
    gc.collect()  # Python closes the generators of the call at the latest now
    assert [str(each.exc_value) for each in ignored] == []
