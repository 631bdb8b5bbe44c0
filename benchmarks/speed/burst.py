"""pg_net's burst: 200 signed posts at once, each on a connection of its own; how long each waits for its answer."""

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
PATIENCE = 30.0
P99, SLOWEST = 0.150, 1.0


def measure(options: Options, report: Report) -> list[Figure]:
    latencies: list[float] = []
    with running(options.employees) as database, servers.product(database.environment, relay=True) as server:
        secret = first_secret(database.environment)
        after = newest_row(database)
        for number in range(TIMES):
            sent = events(database, Mix.UPDATES, SIZE, f"New{number}")
            latencies += burst(list(requests(sent, secret, server.port)), server.port)
            if number % 10 == 9:
                report(f"{number + 1} bursts, the slowest answer so far after {max(latencies) * 1000:,.0f} ms")
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
        Figure("99 % within", f"{percentiles[98] * 1000:,.0f} ms", goal="< 150 ms", met=percentiles[98] < P99),
        Figure("the slowest", f"{max(latencies) * 1000:,.0f} ms", goal="< 1 s", met=max(latencies) < SLOWEST),
    ]


def burst(messages: Sequence[bytes], port: int) -> list[float]:
    """Seconds from each connection's start to its answer. All are sent before any answer is read.

    Raises RuntimeError where one is not answered with 200.
    """
    latencies = []
    with selectors.DefaultSelector() as waiting:
        for message in messages:
            started = time.perf_counter()
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            connection.sendall(message)
            waiting.register(connection, selectors.EVENT_READ, (started, bytearray()))
        while waiting.get_map():
            ready = waiting.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"{len(waiting.get_map())} posts were not answered")
            for key, _ in ready:
                started, answer = key.data
                received = key.fileobj.recv(65536)  # type: ignore[union-attr]
                answer += received
                if is_whole(answer) or not received:
                    latencies.append(time.perf_counter() - started)
                    if not answer.startswith(b"HTTP/1.1 200 "):
                        raise RuntimeError(f"answered with {bytes(answer[:40])!r}")
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
    return latencies


def is_whole(answer: bytearray) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return bool(end) and len(body) >= int(length or 0)
