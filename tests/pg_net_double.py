"""A double of pg_net's background worker, as a process.

python -m tests.pg_net_double --url ... --drop 0.3

It behaves like pg_net 0.20.4 at its worst. It can lose requests, send them twice, and send them in any order.
It takes the requests that `net.http_post` of tests/supabase_doubles.sql puts into the queue. Unlike pg_net, it refuses
a header with a line break, has other error texts, and loses the requests that a killed worker had taken (pg_net may
send them again, see --duplicate).
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

BATCH_SIZE = 200
USER_AGENT = "pg_net/0.20.4"
APPLICATION_NAME = "pg_net 0.20.4"
"""The worker's name in pg_stat_activity."""
REPOSITORY = Path(__file__).parents[1]

TAKE = """
delete from net.http_request_queue
 where id in (select id from net.http_request_queue order by id limit %s)
returning id, method, url, headers, body, timeout_milliseconds
"""
ANSWER = """
insert into net._http_response (id, status_code, content_type, headers, content, timed_out, error_msg)
values (%s, %s, %s, %s, %s, %s, %s)
"""
Answer = tuple[int, int | None, str | None, Jsonb | None, str | None, bool, str | None]
"""A row of net._http_response, in the order of ANSWER."""


@dataclass(frozen=True, slots=True)
class Mischief:
    """The worker's faults, as probabilities from 0 to 1. The seed and the request id determine the faults."""

    seed: int = 0
    interval: float = 1.0
    """The maximum pause after each batch, in seconds."""
    drop: float = 0.0
    """The probability that a request is taken and never sent."""
    duplicate: float = 0.0
    """The probability that a request is sent again, after its response or at the same time, up to six times more."""
    die: float = 0.0
    """The probability that the worker dies during a batch (PostgreSQL starts it again). Some requests of the batch are
    sent, and no response is written.
    """

    def dice(self, request_id: int) -> random.Random:
        return random.Random(f"{self.seed}:{request_id}")


@dataclass(frozen=True, slots=True)
class Request:
    """A row of net.http_request_queue."""

    id: int
    method: str
    url: str
    headers: dict[str, Any] | None
    body: bytes | None
    timeout_milliseconds: int

    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that are sent. curl drops headers without a value."""
        values = {name: value_of(value).strip() for name, value in (self.headers or {}).items()}
        return [(name.encode(), value.encode()) for name, value in values.items() if value]


def value_of(value: Any) -> str:
    """A header's JSON value as PostgreSQL's `->>` returns it, for texts, numbers and booleans. Null is empty."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


async def send(client: httpx.AsyncClient, request: Request) -> Answer:
    """Send a request once. The timeout is for the whole request. As for curl, 0 means no timeout."""
    try:
        async with asyncio.timeout(request.timeout_milliseconds / 1000 or None):
            response = await client.request(
                request.method, request.url, headers=request.sent_headers(), content=request.body
            )
    except TimeoutError:
        return request.id, None, None, None, None, True, f"Timeout of {request.timeout_milliseconds} ms reached."
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return request.id, None, None, None, None, False, f"{type(error).__name__}: {error}"
    content = response.text.split("\0", 1)[0] or None  # the worker stores a C string
    headers = Jsonb(dict(response.headers))
    return request.id, response.status_code, response.headers.get("content-type"), headers, content, False, None


async def send_all(client: httpx.AsyncClient, request: Request, mischief: Mischief) -> Answer | None:
    """Send a request a random number of times. Return the last response, or None if the request is dropped."""
    dice = mischief.dice(request.id)
    if dice.random() < mischief.drop:
        return None
    more = 0
    while more < 6 and dice.random() < mischief.duplicate:
        more += 1
    if dice.random() < 0.5:
        return (await asyncio.gather(*(send(client, request) for _ in range(1 + more))))[-1]
    for _ in range(more):
        await send(client, request)
    return await send(client, request)


async def run_once(
    connection: psycopg.AsyncConnection[Any], client: httpx.AsyncClient, mischief: Mischief, dice: random.Random
) -> None:
    """Take one batch, send its requests at the same time, wait for the slowest request, and write the responses."""
    async with connection.cursor(row_factory=class_row(Request)) as cursor:
        batch = await (await cursor.execute(TAKE, [BATCH_SIZE])).fetchall()
    dice.shuffle(batch)
    dies = bool(batch) and dice.random() < mischief.die
    if dies:
        batch = batch[: dice.randrange(len(batch))]
    answers = await asyncio.gather(*(send_all(client, request, mischief) for request in batch))
    if not dies:
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(ANSWER, [answer for answer in answers if answer])


async def run(url: str, mischief: Mischief) -> None:
    """Run until the process is killed. If PostgreSQL is down, wait for it."""
    dice = random.Random(mischief.seed)
    # Each request has its own connection, and only the headers that curl sends.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        limits=limits,
        timeout=None,  # noqa: S113 (each request has a timeout)
        follow_redirects=True,
        trust_env=False,
    ) as client:
        client.headers["User-Agent"] = USER_AGENT
        del client.headers["Accept-Encoding"], client.headers["Connection"]
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    url, autocommit=True, connect_timeout=5, application_name=APPLICATION_NAME
                ) as connection:
                    while True:
                        await run_once(connection, client, mischief, dice)
                        await asyncio.sleep(dice.uniform(0, mischief.interval))
            except psycopg.OperationalError:
                await asyncio.sleep(mischief.interval)


class Worker:
    """The double for one database, as a process that can be started and killed repeatedly."""

    def __init__(self, url: str, mischief: Mischief):
        self._url = url
        self._mischief = mischief
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, and return at once."""
        assert not self.running
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pg_net_double", "--url", self._url, *options(self._mischief)], cwd=REPOSITORY
        )

    def kill(self) -> None:
        """Kill the process. Requests that it took and did not send are lost. Responses to sent ones are not written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def options(mischief: Mischief) -> list[str]:
    return [f"--{name}={getattr(mischief, name)}" for name in Mischief.__slots__]


@contextmanager
def working(url: str, mischief: Mischief) -> Iterator[Worker]:
    """Run a worker for this database, and kill it at the end."""
    worker = Worker(url, mischief)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description="A double of pg_net's background worker.")
    parser.add_argument("--url", required=True, help="URL of the database that has tests/supabase_doubles.sql")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interval", type=float, default=1.0, help="maximum pause after each batch, in seconds")
    parser.add_argument("--drop", type=float, default=0.0, help="probability that a request is never sent")
    parser.add_argument("--duplicate", type=float, default=0.0, help="probability that a request is sent once more")
    parser.add_argument("--die", type=float, default=0.0, help="probability that the worker dies during a batch")
    arguments = vars(parser.parse_args())
    asyncio.run(run(arguments.pop("url"), Mischief(**arguments)))


if __name__ == "__main__":
    main()
