"""The benchmark's peers under Node.js."""

from pathlib import Path

import pytest

from benchmarks.speed import peers
from benchmarks.speed.database import BenchDatabase
from benchmarks.speed.options import Options

OPTIONS = Options(rounds=1, events=1, employees=1, only="", minutes=1, large_employees=1, large_events=1)


def test_without_node_the_peers_are_left_out_and_the_reason_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Node.js, the benchmark leaves out the peers and reports the reason."""
    monkeypatch.setenv("PATH", str(tmp_path))
    reported: list[str] = []

    with peers.running(BenchDatabase({}, tmp_path, 1), OPTIONS, reported.append) as runs:
        assert runs == {}

    assert reported == [
        f"left out: {name}: needs Node.js 20 or newer, with npm" for name in (peers.FASTIFY, peers.STRIPE)
    ]
