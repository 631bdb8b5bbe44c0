"""GET /metrics of a real gunicorn: one sum over all its workers, including those that have ended."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import Post, Server, StartServer, deliver, wait_for
from tests.acceptance.lives import user_id
from tests.auth_traffic import insert
from tests.integration.metrics.test_metrics import Samples, counted, samples_in

WORKERS = 3


def scraped(server: Server) -> Samples:
    return samples_in(httpx.get(f"{server.url}/metrics").raise_for_status().text)


def wait_for_other_workers(server: Server, ended: set[int]) -> None:
    wait_for("new workers", lambda: not ended & set(server.workers()) and len(server.workers()) == WORKERS)


def posts(first: int, count: int) -> list[Post]:
    return [Post(f"evt-{n}", insert(user_id(n), email=f"user{n}@example.com")) for n in range(first, first + count)]


@pytest.mark.campaign
def test_one_scrape_counts_all_workers(start_server: StartServer, tmp_path: Path) -> None:
    """Each worker reports each delivery of all workers once, also after kills and a reload.

    Ended workers leave no files of their own. The server leaves no folder, and removes that of a killed server.
    """
    abandoned = tmp_path / "webhook-service-metrics-abandoned"
    abandoned.mkdir()
    server = start_server(WEB_CONCURRENCY=str(WORKERS), TMPDIR=str(tmp_path))
    wait_for("all workers", lambda: len(server.workers()) == WORKERS)
    deliver(server.url, posts(0, 60))
    for _ in range(WORKERS * 3):
        assert counted(scraped(server), "deliveries_total") == {("unconfirmed", ""): 60}

    for killed in server.workers()[:2]:
        os.kill(killed, signal.SIGKILL)
        wait_for_other_workers(server, {killed})
    deliver(server.url, posts(60, 40))
    samples = scraped(server)
    assert counted(samples, "deliveries_total") == {("unconfirmed", ""): 100}
    assert samples["delivery_seconds_count", ()] == samples["delivery_seconds_bucket", ("+Inf",)] == 100

    old = set(server.workers())
    server.signal(signal.SIGHUP)
    wait_for_other_workers(server, old)
    samples = wait_for("an answer", lambda: scraped(server))
    assert counted(samples, "deliveries_total") == {("unconfirmed", ""): 100}
    assert counted(samples, "relay_runs_total")["events", "idle"] > 0

    [folder] = tmp_path.glob("webhook-service-metrics-*")
    processes = {file.stem.partition("_")[2] for file in folder.glob("*.db")}
    assert processes <= {"ended", *map(str, server.workers())}
    server.signal(signal.SIGTERM)
    server.process.wait(30)
    assert not folder.exists()
