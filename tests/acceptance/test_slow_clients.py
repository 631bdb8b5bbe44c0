"""Clients that do not read their answers, more of them than Flask has threads."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.acceptance.command import settings_for
from webhook_service.server import process as server_process
from webhook_service.server.asgi import THREADS

LARGE = "/admin/static/vendor/bootstrap-5.3.8.min.css"


def test_a_client_that_does_not_read_holds_no_thread(database_url: str, tmp_path: Path) -> None:
    """Clients that request a large file and read only its beginning leave Flask's threads to others."""
    environment = settings_for(database_url) | {"WEB_CONCURRENCY": "1"}
    with ExitStack() as stack:
        listener = stack.enter_context(server_process.listening(0))
        # Connections inherit the size. Otherwise the kernel would buffer megabytes of unread data.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        log = stack.enter_context((tmp_path / "server.log").open("wb"))
        process = stack.enter_context(server_process.running(environment, log=log, listener=listener))
        host, port = listener.getsockname()
        server_process.wait_until_ready(f"http://{host}:{port}", process)
        for _ in range(THREADS + 2):
            client = stack.enter_context(socket.socket())
            client.settimeout(10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, port))
            client.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert httpx.get(f"http://{host}:{port}/healthz", timeout=10).status_code == 200
