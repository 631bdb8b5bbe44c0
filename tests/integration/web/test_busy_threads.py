"""The threads of the server, while long requests of admins occupy them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flask import Flask

from webhook_service.server.asgi import PROBES, THREADS, application

PATIENCE_SECONDS = 10.0


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_is_answered_while_all_threads_are_busy(site: Flask, path: str) -> None:
    """Long requests, such as comparisons, cannot keep a probe waiting, which would end the process."""
    is_over, started = threading.Event(), threading.Semaphore(0)

    @site.get("/long")
    def long() -> str:
        started.release()
        is_over.wait(PATIENCE_SECONDS)
        return ""

    async def probed() -> int:
        transport = httpx.ASGITransport(app=application(site))  # type: ignore[arg-type]  # its own types
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            busy = [asyncio.create_task(client.get("/long")) for _ in range(THREADS)]
            try:
                for _ in busy:
                    await asyncio.to_thread(started.acquire)
                return (await asyncio.wait_for(client.get(path), PATIENCE_SECONDS / 2)).status_code
            finally:
                is_over.set()
                await asyncio.gather(*busy)

    with ThreadPoolExecutor(1) as beside:  # this thread may have the loop of a browser
        assert beside.submit(asyncio.run, probed()).result() in (200, 503)
