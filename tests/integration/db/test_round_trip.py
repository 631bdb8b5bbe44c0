"""The round trip to the database, measured in each call of the event loop.

Its length decides whether a second call runs concurrently.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.employees import Connection
from tests.integration.db.test_database_outages import proxied
from tests.ports import free_port
from webhook_service.db.direct import DirectDatabase
from webhook_service.inbound.batching import FAR_SECONDS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def far_url(database_url: str) -> Iterator[str]:
    """The URL of the database behind a network with a round trip of 10 ms."""
    port = free_port()
    socket = f"{conninfo_to_dict(database_url)['host']}/.s.PGSQL.5432"
    command = [sys.executable, "-m", "benchmarks.speed.delay_proxy", str(port), socket, "0.005"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        url = proxied(database_url, port)
        deadline = time.monotonic() + 20
        while not is_there(url):
            assert time.monotonic() < deadline
        yield url
    finally:
        process.terminate()
        process.wait()


def is_there(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def round_trip_of(url: str, function: str) -> float:
    async def measured() -> float:
        direct = DirectDatabase(url)
        assert direct.round_trip == 0
        for _ in range(3):
            await direct.call_soon(function)
        direct.close()
        return direct.round_trip

    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps a loop running in this thread
        return elsewhere.submit(asyncio.run, measured()).result()


def test_server_time_does_not_count_as_network_time(database_url: str, connection: Connection) -> None:
    """The time of a slow function does not count as part of the round trip."""
    connection.execute("create function slow() returns text language sql as 'select pg_sleep(1)::text'")
    assert 0 < round_trip_of(database_url, "slow") < 1


def test_a_network_is_measured(far_url: str) -> None:
    """A database behind a network with a round trip of 10 ms counts as distant."""
    assert round_trip_of(far_url, "auth_sync_schema_v1") > FAR_SECONDS
