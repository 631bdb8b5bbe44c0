"""Check the result of random sign-ups and changes, lost webhooks, and killed web, relay and PostgreSQL processes.

python -m benchmarks.chaos [--cycles 1000] [--seed N]    (needs Debian's postgresql; 1000 cycles take about an hour)

tests/chaos has the checks of both sides and the ledger after each cycle. The exit code is 1 if a check failed.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from psycopg import sql

from tests.chaos.cycle import Tally, run
from tests.debian_postgres import cluster
from tests.supabase_postgres import DOUBLES, execute
from webhook_service.db import embedded


def show(tally: Tally) -> None:
    line = f"\r{tally.cycles} cycles, {tally.kills.total()} kills, {tally.applied} events applied"
    sys.stderr.write(line)
    sys.stderr.flush()


def main(cycles: int, seed: int) -> bool:
    """Return whether every check passed."""
    started = time.monotonic()
    with cluster() as server, tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        execute(server.url(), sql.SQL(embedded.supabase_roles()))
        execute(server.url(), sql.SQL(DOUBLES.read_text("utf-8")))
        tally = run(server, server.url(), Path(folder), cycles=cycles, seed=seed, progress=show)
    sys.stdout.write(f"\n{tally}\n{time.monotonic() - started:.0f} s\n")
    return not tally.wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill the processes in each cycle, and check the data after it.")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    sys.exit(0 if main(arguments.cycles, arguments.seed) else 1)
