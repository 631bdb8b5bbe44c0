"""Measure how long each of 200 signed posts waits for its response in a pg_net burst with one connection per post."""

import selectors
import socket
import time
from collections.abc import Sequence
from statistics import quantiles

from benchmarks.speed import servers
from benchmarks.speed.database import newest_row, require_applied, running
from benchmarks.speed.events import Mix, events, first_secret, requests
from benchmarks.speed.options import Options, Report
from benchmarks.speed.report import Figure

SIZE, TIMES = 200, 100
TIMEOUT_SECONDS = 30.0
P99_GOAL_SECONDS, SLOWEST_GOAL_SECONDS = 0.150, 1.0


def measure(options: Options, report: Report) -> list[Figure]:
    latencies: list[float] = []
    with running(options.employees) as database, servers.product(database.environment, relay=True) as server:
        secret = first_secret(database.environment)
        after = newest_row(database)
        for number in range(TIMES):
            sent = events(database, Mix.UPDATES, SIZE, f"New{number}")
            latencies += burst(list(requests(sent, secret, server.port)), server.port)
            if number % 10 == 9:
                report(f"{number + 1} bursts, the slowest response so far after {max(latencies) * 1000:,.0f} ms")
        require_applied(database, after, "synced", SIZE * TIMES)
    percentiles = quantiles(latencies, n=100)
    return [
        Figure(
            f"{TIMES} bursts of {SIZE}: answered with 200",
            f"{len(latencies):,} of {SIZE * TIMES:,}",
            goal="all",
            met=True,
        ),
        Figure("half of them within", f"{percentiles[49] * 1000:,.0f} ms"),
        Figure(
            "99 % within", f"{percentiles[98] * 1000:,.0f} ms", goal="< 150 ms", met=percentiles[98] < P99_GOAL_SECONDS
        ),
        Figure(
            "the slowest", f"{max(latencies) * 1000:,.0f} ms", goal="< 1 s", met=max(latencies) < SLOWEST_GOAL_SECONDS
        ),
    ]


def burst(messages: Sequence[bytes], port: int) -> list[float]:
    """Return the seconds from each connection's start to its response. All posts are sent before any response is read.

    Raise RuntimeError if a status is not 200.
    """
    latencies = []
    with selectors.DefaultSelector() as waiting:
        for message in messages:
            started = time.perf_counter()
            connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
            connection.sendall(message)
            waiting.register(connection, selectors.EVENT_READ, (started, bytearray()))
        while waiting.get_map():
            ready = waiting.select(TIMEOUT_SECONDS)
            if not ready:
                raise RuntimeError(f"{len(waiting.get_map())} posts got no response")
            for key, _ in ready:
                started, response = key.data
                received = key.fileobj.recv(65536)  # type: ignore[union-attr]
                response += received
                if is_whole(response) or not received:
                    latencies.append(time.perf_counter() - started)
                    if not response.startswith(b"HTTP/1.1 200 "):
                        raise RuntimeError(f"the response was {bytes(response[:40])!r}")
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
    return latencies


def is_whole(response: bytearray) -> bool:
    head, end, body = response.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return bool(end) and len(body) >= int(length or 0)
