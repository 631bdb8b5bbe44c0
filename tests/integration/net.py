"""Both ends of pg_net: the SQL function that posts, and a receiver."""

import socket
import threading
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.acceptance.conftest import wait_for

POST = "select net.http_post(%s, %s, headers => %s, timeout_milliseconds => %s)"


class Receiver:
    """A server that keeps its requests and, while `gate` is open, responds 200 with an empty JSON document."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        """Heads and bodies, in the order of arrival."""
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        with connection.makefile("rb") as stream:
            head = ""
            while (line := stream.readline().decode()) != "\r\n":
                if not line:  # the worker was killed
                    return
                head += line
            lengths = [line[15:] for line in head.lower().splitlines() if line.startswith("content-length:")]
            self.requests.append((head, stream.read(int(lengths[0])) if lengths else b""))
        while not self.gate.wait(0.01) and not over.is_set():
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    def bodies(self) -> list[bytes]:
        return [body for _, body in self.requests]


class Net:
    """pg_net as its caller sees it: a connection in autocommit to a database with the extension."""

    def __init__(self, connection: psycopg.Connection[Any]):
        self.connection = connection

    def post(self, port: int, body: object, *, timeout: int = 60_000, headers: object | None = None) -> int:
        """Post to a port of this machine and return the request's id. `timeout` is in milliseconds."""
        sent = {"Content-Type": "application/json"} if headers is None else headers
        return int(self.value(POST, f"http://127.0.0.1:{port}/", Jsonb(body), Jsonb(sent), timeout))

    def value(self, query: str, *parameters: object) -> Any:
        """Return the first column of the first row."""
        row = self.connection.execute(query.encode(), parameters).fetchone()
        return row and row[0]

    def queued(self) -> int:
        return int(self.value("select count(*) from net.http_request_queue"))

    def answers(self) -> int:
        return int(self.value("select count(*) from net._http_response"))

    def answer(self, request_id: int) -> tuple[int | None, bool, str | None, str | None]:
        """Wait for the response, and return (status, whether it timed out, error, content)."""
        query = "select status_code, timed_out, error_msg, content from net._http_response where id = %s"
        found: tuple[int | None, bool, str | None, str | None] = wait_for(
            f"the answer to {request_id}", lambda: self.connection.execute(query, [request_id]).fetchone()
        )
        return found
