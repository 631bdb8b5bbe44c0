"""The server's connections, over real sockets."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from webhook_service.server.protocol import Protocol


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def connections_after(count: int) -> int:
    """Serve `count` connections one after another, and return the number of connections that are still in memory."""
    config = Config(hello, http=Protocol, lifespan="off", log_config=None)
    config.load()
    made: weakref.WeakSet[Protocol] = weakref.WeakSet()
    loop = asyncio.get_running_loop()
    state = ServerState()

    def connection() -> Protocol:
        made.add(new := Protocol(config=config, server_state=state, app_state={}, _loop=loop))
        return new

    server = await loop.create_server(connection, "127.0.0.1", 0)
    for _ in range(count):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
    while state.connections or state.tasks or len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)
    gc.collect()
    return len(made)


def test_a_closed_connection_leaves_nothing_in_memory() -> None:
    """A sender that opens a connection for each request, as pg_net does, does not fill the server's memory."""
    with ThreadPoolExecutor(1) as elsewhere:  # the browser tests keep an event loop running in this thread
        assert elsewhere.submit(asyncio.run, connections_after(20)).result() == 0
