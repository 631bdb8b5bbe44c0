"""A simulated network between service and database, which passes bytes on in order with a delay in each direction.

python -m benchmarks.speed.delay_proxy PORT SOCKET SECONDS    (listens on loopback; SOCKET is PostgreSQL's)
"""

import asyncio
import selectors
import sys
from collections import deque


class Direction(asyncio.Protocol):
    """One direction, in which bytes that arrive leave by `out` after `delay` seconds, in any amount."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.out: asyncio.Transport | None = None
        self.underway: deque[bytes] = deque()

    def data_received(self, data: bytes) -> None:
        self.underway.append(data)
        asyncio.get_running_loop().call_later(self.delay, self.arrive)

    def arrive(self) -> None:
        data = self.underway.popleft()  # the oldest bytes, for any timer that fired, so that the order is kept
        if self.out is not None:
            self.out.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.out is not None:
            asyncio.get_running_loop().call_later(self.delay, self.out.close)


class ServiceConnection(Direction):
    """A connection of the service. Its bytes wait until the proxy has connected to the database."""

    def __init__(self, delay: float, database: str) -> None:
        super().__init__(delay)
        self.database = database

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (a stream's transport)
        transport.pause_reading()
        self.connecting = asyncio.ensure_future(self.connect(transport))

    async def connect(self, transport: asyncio.Transport) -> None:
        back = Direction(self.delay)
        back.out = transport
        self.out, _ = await asyncio.get_running_loop().create_unix_connection(lambda: back, self.database)
        transport.resume_reading()


async def serve(port: int, database: str, delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: ServiceConnection(delay, database), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    # The timeout of select() is in microseconds, and the timeout of epoll is only in milliseconds.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
