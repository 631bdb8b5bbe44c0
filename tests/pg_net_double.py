"""A double of pg_net's background worker, as a process of its own: python -m tests.pg_net_double --url ... --drop 0.3

It behaves as pg_net 0.20.4 does, and as badly as one may fear: requests get lost, are sent twice, come in any order. It
takes what `net.http_post` of tests/supabase_doubles.sql has put into the queue. Not as in the real one: a header with a
line break is refused, the texts of errors are others, and what a killed worker had taken is lost (the real one may
send it again; see --duplicate).
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
"""As pg_stat_activity shows the worker."""
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
    """How it misbehaves: probabilities from 0 to 1, the same for the same seed and request id."""

    seed: int = 0
    interval: float = 1.0
    """Seconds; it sleeps up to this long after each batch."""
    drop: float = 0.0
    """That a request is taken and never sent."""
    duplicate: float = 0.0
    """That a request is sent once more, after it was answered or together with the first; up to six times more."""
    die: float = 0.0
    """That the worker dies amid a batch (and PostgreSQL starts it again): some are sent, no answer is written."""

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
        """Those that reach the wire: curl drops the ones without a value."""
        values = {name: value_of(value).strip() for name, value in (self.headers or {}).items()}
        return [(name.encode(), value.encode()) for name, value in values.items() if value]


def value_of(value: Any) -> str:
    """A header's JSON value as PostgreSQL's `->>` gives it, for texts, numbers and booleans; null is empty."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


async def send(client: httpx.AsyncClient, request: Request) -> Answer:
    """Sends it once. The timeout is for the whole of it; 0 is none, as for curl."""
    try:
        async with asyncio.timeout(request.timeout_milliseconds / 1000 or None):
            response = await client.request(
                request.method, request.url, headers=request.sent_headers(), content=request.body
            )
    except TimeoutError:
        return request.id, None, None, None, None, True, f"Timeout of {request.timeout_milliseconds} ms reached."
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return request.id, None, None, None, None, False, f"{type(error).__name__}: {error}"
    content = response.text.split("\0", 1)[0] or None  # to the worker it is a C string
    headers = Jsonb(dict(response.headers))
    return request.id, response.status_code, response.headers.get("content-type"), headers, content, False, None


async def send_all(client: httpx.AsyncClient, request: Request, mischief: Mischief) -> Answer | None:
    """Sends it as often as the dice say; the last answer, or None where it was dropped."""
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
    """One batch: takes it, sends it all at once, waits for the slowest, writes the answers."""
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
    """Until it is killed. A PostgreSQL that is down is waited for."""
    dice = random.Random(mischief.seed)
    # A connection for each request, and only the headers that curl sends.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        limits=limits,
        timeout=None,  # noqa: S113 (each request has its own)
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
    """The double for one database, as a process that can be started and killed over and over."""

    def __init__(self, url: str, mischief: Mischief):
        self._url = url
        self._mischief = mischief
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Does not wait; the queue waits for it."""
        assert not self.running
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pg_net_double", "--url", self._url, *options(self._mischief)], cwd=REPOSITORY
        )

    def kill(self) -> None:
        """What it has taken and not sent is lost; what it has sent stays unanswered."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def options(mischief: Mischief) -> list[str]:
    return [f"--{name}={getattr(mischief, name)}" for name in Mischief.__slots__]


@contextmanager
def working(url: str, mischief: Mischief) -> Iterator[Worker]:
    """A started worker for this database; killed at the end."""
    worker = Worker(url, mischief)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description="A double of pg_net's background worker.")
    parser.add_argument("--url", required=True, help="of the database that has tests/supabase_doubles.sql")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--interval", type=float, default=1.0, help="sleeps up to so many seconds after each batch")
    parser.add_argument("--drop", type=float, default=0.0, help="probability that a request is never sent")
    parser.add_argument("--duplicate", type=float, default=0.0, help="probability that a request is sent once more")
    parser.add_argument("--die", type=float, default=0.0, help="probability that it dies amid a batch")
    arguments = vars(parser.parse_args())
    asyncio.run(run(arguments.pop("url"), Mischief(**arguments)))


if __name__ == "__main__":
    main()
