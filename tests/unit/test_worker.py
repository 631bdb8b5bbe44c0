"""What is written to a connection is sent together."""

import socket
from collections.abc import Iterator

import pytest

from webhook_service.worker import LONGEST_GATHERED, Gathered


@pytest.fixture
def pair() -> Iterator[tuple[Gathered, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield Gathered(ours), theirs


def test_head_and_body_leave_together(pair: tuple[Gathered, socket.socket]) -> None:
    """Nothing is sent before the answer is complete."""
    gathered, theirs = pair
    gathered.sendall(b"head")
    with pytest.raises(BlockingIOError):
        theirs.recv(100)
    gathered.sendall(b"body")
    gathered.send_written()
    assert theirs.recv(100) == b"headbody"


def test_much_is_not_kept(pair: tuple[Gathered, socket.socket]) -> None:
    """A long answer leaves in parts, in their order."""
    gathered, theirs = pair
    gathered.sendall(b"a" * LONGEST_GATHERED)
    gathered.sendall(b"b")
    assert theirs.recv(2 * LONGEST_GATHERED) == b"a" * LONGEST_GATHERED + b"b"


def test_whatever_else_is_done_comes_after_what_was_written(pair: tuple[Gathered, socket.socket]) -> None:
    """As where a file is sent, or the connection is shut."""
    gathered, theirs = pair
    gathered.sendall(b"head")
    gathered.shutdown(socket.SHUT_WR)
    assert (theirs.recv(100), theirs.recv(100)) == (b"head", b"")
