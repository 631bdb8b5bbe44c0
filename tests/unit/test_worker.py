"""Connections of the worker, over real sockets; of the worker itself, only what they look at."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from a2wsgi.asgi_typing import Receive, Scope, Send
from gunicorn.config import Config

from webhook_service.worker import Connection, NoAccessLog


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def connections_after(count: int) -> int:
    """How many are still in memory when so many have been asked, answered and closed."""
    config = Config()
    config.set("http_parser", "python")
    worker = SimpleNamespace(
        cfg=config,
        log=NoAccessLog(config),
        asgi=hello,
        loop=asyncio.get_running_loop(),
        alive=True,
        nr=0,
        nr_conns=0,
        max_requests=count + 1,
        is_ending=lambda: False,
    )
    made: weakref.WeakSet[Connection] = weakref.WeakSet()

    def connection() -> Connection:
        made.add(new := Connection(worker))
        return new

    server = await worker.loop.create_server(connection, "127.0.0.1", 0)
    for _ in range(count):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await writer.wait_closed()
    assert worker.nr == count
    server.close()
    await server.wait_closed()
    while worker.nr_conns or len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)
    gc.collect()
    return len(made)


def test_a_connection_that_is_over_leaves_nothing_in_memory() -> None:
    """Senders that connect anew for each post, as pg_net does, do not fill the server's memory."""
    with ThreadPoolExecutor(1) as elsewhere:  # the browser's tests keep a loop running in this thread
        assert elsewhere.submit(asyncio.run, connections_after(20)).result() == 0
