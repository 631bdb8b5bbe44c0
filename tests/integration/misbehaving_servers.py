"""Misbehaving servers on real sockets that are silent or slow, close early, or send wrong responses."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

Behaviour = Callable[[socket.socket, threading.Event], None]
"""Handles one connection of a server. The event is set when the test is over."""
Serve = Callable[[Behaviour], int]


@contextmanager
def misbehaving_servers() -> Iterator[Serve]:
    """Yield a function that starts a server with a behaviour on a free port, and returns the port."""
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)

        def start(behaviour: Behaviour) -> int:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            threads = ThreadPoolExecutor(100)
            connections: list[socket.socket] = []

            def handle(connection: socket.socket) -> None:
                with connection, suppress(OSError):  # the client may close the connection
                    behaviour(connection, over)

            def accept() -> None:
                while True:
                    connection, _ = listener.accept()
                    if over.is_set():
                        connection.close()
                        return
                    connections.append(connection)
                    threads.submit(handle, connection)

            accepting = threading.Thread(target=accept)
            accepting.start()

            def stop() -> None:
                over.set()
                socket.create_connection(listener.getsockname()).close()
                accepting.join()
                for connection in connections:
                    with suppress(OSError):  # closed already
                        connection.shutdown(socket.SHUT_RDWR)
                threads.shutdown()
                listener.close()

            stack.callback(stop)
            return int(listener.getsockname()[1])

        yield start


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def closes(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(1)


def request_of(connection: socket.socket) -> tuple[str, bytes]:
    """Read one HTTP request, and return its head and its body."""
    with connection.makefile("rb") as stream:
        head = "".join(iter(lambda: stream.readline().decode(), "\r\n"))
        lengths = [int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        return head, stream.read(sum(lengths))  # a GET has none


def answers(status: int, body: str, content_type: str = "text/html", **headers: str) -> Behaviour:
    def answer(connection: socket.socket, over: threading.Event) -> None:
        request_of(connection)
        headers_now = {"Content-Type": content_type, "Content-Length": str(len(body.encode())), "Connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers_now | headers).items())
        connection.sendall(f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n{body}".encode())

    return answer


def answers_json(status: int, **error: Any) -> Behaviour:
    return answers(status, json.dumps(error), "application/json; charset=utf-8")


def trickles(connection: socket.socket, over: threading.Event) -> None:
    """Send a valid response so slowly that only a limit on the whole call ends it."""
    request_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n")
    for byte in b'{"migration": 99}'.ljust(200):
        over.wait(0.05)
        connection.sendall(bytes([byte]))
