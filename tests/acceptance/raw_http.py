"""HTTP as bytes over sockets: requests that no HTTP library would send, and the server's answers to them."""

import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.acceptance.conftest import Post, Server, deliver, refused, wait_for
from tests.auth_traffic import headers_for, insert
from webhook_service.demo.traffic import body_of

PATIENCE_SECONDS = 8
"""For an answer and for the end of a connection.

It is shorter than the server's time limits, so that none of them applies.
"""

LIMIT_PATIENCE_SECONDS = 20
"""For a connection that the server closes at its time limit for a head or a body, about 10 s each."""

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def address_of(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.rpartition(":")[2])


def connected(url: str, *, patience: float = PATIENCE_SECONDS) -> socket.socket:
    return socket.create_connection(address_of(url), timeout=patience)


def statuses(received: bytes) -> list[int]:
    """The status of each answer, found by its status line, so that no answer hides in the body of another one."""
    return [int(status) for status in STATUS_LINE.findall(received)]


def until_closed(connection: socket.socket) -> bytes:
    """All bytes that the server sends until it closes or resets the connection; fails if it does neither."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except (ConnectionResetError, BrokenPipeError):
        pass  # closed while sent data was unread
    except TimeoutError:
        pytest.fail(f"the connection is open after {connection.gettimeout()} s; received: {received!r}")
    return received


def answer_from(connection: socket.socket) -> bytes:
    """One answer, up to its Content-Length, from a connection that may stay open."""
    received = b""
    while not is_whole(received):
        data = connection.recv(65536)
        assert data, f"closed after {received!r}"
        received += data
    return received


def is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def half_close(connection: socket.socket) -> None:
    """End what the client sends; it still reads."""
    with suppress(OSError):  # closed already
        connection.shutdown(socket.SHUT_WR)


def exchange(url: str, message: bytes) -> bytes:
    """All bytes that the server sends in return until it closes the connection."""
    with connected(url) as connection:
        send(connection, message)
        return until_closed(connection)


def send(connection: socket.socket, message: bytes) -> bool:
    """Whether the whole message was sent; False if the server closes the connection before."""
    try:
        connection.sendall(message)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def head_of(*lines: str, target: str = "POST /webhook/auth HTTP/1.1") -> bytes:
    """A head with a Host and these lines."""
    return "".join(f"{line}\r\n" for line in (target, "Host: localhost", *lines, "")).encode("latin-1")


NEXT = head_of(target="GET /healthz HTTP/1.1")
"""A whole request. It follows an attack: an answer to it proves that the attack smuggled it."""


def is_refusal(received: bytes) -> bool:
    """Whether these bytes are exactly one answer with a 4xx: the request after the attack was not answered."""
    found = statuses(received)
    return len(found) == 1 and 400 <= found[0] < 500


def signed_lines(body: bytes, event_id: str | None = None) -> list[str]:
    """Header lines that make this body a signed webhook, without its length."""
    return [f"{name}: {value}" for name, value in headers_for(body, event_id).items()]


def signed_request(*lines: str, event_id: str | None = None) -> bytes:
    """A valid webhook, with further header lines."""
    body = body_of(insert(uuid4()))
    return head_of(*signed_lines(body, event_id), f"Content-Length: {len(body)}", *lines) + body


def events(count: int) -> list[Post]:
    """Sign-ups of unknown users: each is recorded and changes no employee."""
    return [Post(f"evt-{uuid4()}", insert(uuid4())) for _ in range(count)]


def assert_answered(server: Server, count: int = 1) -> None:
    """Post `count` webhooks one after another on a connection of their own; each must be answered with a 2xx."""
    assert refused(deliver(server.url, events(count), keep_alive=True, at_once=1)) == []


def is_answered(server: Server) -> bool:
    """Whether one webhook is answered with a 2xx."""
    return refused(deliver(server.url, events(1))) == []


@contextmanager
def unharmed(server: Server) -> Iterator[None]:
    """After the attack the same workers are alive, a webhook is answered, and the log has no traceback."""
    workers, log_before = server.workers(), len(server.log())
    yield
    assert_answered(server)
    assert server.workers() == workers
    assert "Traceback" not in server.log()[log_before:], server.log()[log_before:]


def server_sockets(url: str) -> list[list[str]]:
    """The server's ends of its established connections, as lines of /proc/net/tcp."""
    port = f":{address_of(url)[1]:04X}"
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:])
    return [fields for fields in sockets if fields[1].endswith(port) and fields[3] == "01"]


def unaccepted_connections(url: str) -> int:
    """Connections that wait in the kernel's queue: a socket that no process holds has no inode."""
    return sum(fields[9] == "0" for fields in server_sockets(url))


def unread_bytes(url: str) -> int:
    """The number of bytes that clients have sent and the server has not read yet."""
    return sum(int(fields[4].partition(":")[2], 16) for fields in server_sockets(url))


def memory_of(server: Server) -> int:
    """Bytes that the workers hold in memory."""
    statuses_of = (Path(f"/proc/{pid}/status").read_text("ascii") for pid in server.workers())
    return sum(int(status.partition("VmRSS:")[2].split()[0]) * 1024 for status in statuses_of)


def send_apart(url: str, connection: socket.socket, *parts: bytes) -> None:
    """Send each part when the server has read the one before, so that each is a read of its own."""
    for part in parts:
        send(connection, part)
        wait_for("the part is read", lambda: unread_bytes(url) == 0)


def connect_many(url: str, message: bytes, count: int, stack: ExitStack) -> list[socket.socket]:
    """`count` connections that send this message and nothing more. The server has accepted all of them."""
    connections = [stack.enter_context(connected(url, patience=LIMIT_PATIENCE_SECONDS)) for _ in range(count)]
    for connection in connections:
        send(connection, message)
    wait_for("all connections accepted", lambda: unaccepted_connections(url) == 0)
    return connections


@contextmanager
def descriptors(count: int) -> Iterator[None]:
    """This process, and those that it starts meanwhile, may open so many files, if the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
