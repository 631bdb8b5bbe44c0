"""A simulated network between service and database, which passes bytes on in order with a delay in each direction.

python -m benchmarks.speed.delay_proxy PORT SOCKET SECONDS    (listens on loopback; SOCKET is PostgreSQL's)
"""

import asyncio
import selectors
import sys
from collections import deque
from collections.abc import Callable


class Direction(asyncio.Protocol):
    """One direction, in which bytes that arrive leave by `out` after `delay` seconds, in any amount.

    Bytes that arrive before there is an `out` wait for `leave_by`.
    """

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.out: asyncio.Transport | None = None
        self.underway: deque[bytes] = deque()

    def leave_by(self, out: asyncio.Transport) -> None:
        self.out = out
        for _ in self.underway:
            self.later(self.arrive)

    def later(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self.delay, callback)

    def data_received(self, data: bytes) -> None:
        self.underway.append(data)
        if self.out is not None:
            self.later(self.arrive)

    def arrive(self) -> None:
        data = self.underway.popleft()  # the oldest bytes, for any timer that fired, so that the order is kept
        assert self.out is not None  # noqa: S101 (a timer starts only when there is an `out`)
        self.out.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.out is not None:
            self.later(self.out.close)


class ServiceConnection(Direction):
    """A connection of the service. Its bytes wait until the proxy has connected to the database.

    `pause_reading` cannot make them wait: until Python 3.11.4, it has no effect in `connection_made` (gh-103607).
    """

    def __init__(self, delay: float, database: str) -> None:
        super().__init__(delay)
        self.database = database

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's transport)
        self.connecting = asyncio.ensure_future(self.connect(transport))

    async def connect(self, transport: asyncio.Transport) -> None:
        back = Direction(self.delay)
        back.leave_by(transport)
        out, _ = await asyncio.get_running_loop().create_unix_connection(lambda: back, self.database)
        self.leave_by(out)
        if transport.is_closing():  # the service has closed the connection meanwhile
            self.later(out.close)


async def serve(port: int, database: str, delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: ServiceConnection(delay, database), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    # The timeout of select() is in microseconds, and the timeout of epoll is only in milliseconds.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
