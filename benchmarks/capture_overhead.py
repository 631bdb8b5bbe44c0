"""Measure the time that capture adds to a sign-up (an insert and four updates in one transaction) and to a sign-in.

python benchmarks/capture_overhead.py [ROUNDS]    (default 30; each has 100 of both, with and without capture)
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.auth_stand_in import Auth
from webhook_service.db import embedded, migrate

TIMES = 100
DROP = "drop trigger if exists auth_sync_capture on auth.users"
INSTALL = "select public.auth_sync_install_v1()"


def main(rounds: int) -> None:
    """Measure with and without the trigger in each round, in alternating order."""
    took: dict[tuple[str, bool], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        migrate.migrate(url)
        with psycopg.connect(url, autocommit=True) as admin, psycopg.connect(url, autocommit=True) as connection:
            auth = Auth(connection)
            for number in range(rounds):
                for captured in (number % 2 == 0, number % 2 == 1):
                    admin.execute(INSTALL if captured else DROP)
                    users = []
                    started = time.perf_counter()
                    for _ in range(TIMES):
                        users.append(auth.sign_up(f"{uuid4()}@example.com", user_metadata={"first_name": "Jane"}))
                    signed_up = time.perf_counter()
                    for user in users:
                        auth.sign_in(user)
                    signed_in = time.perf_counter()
                    took.setdefault(("sign-up", captured), []).append((signed_up - started) / TIMES * 1000)
                    took.setdefault(("sign-in", captured), []).append((signed_in - signed_up) / TIMES * 1000)
    for action in ("sign-up", "sign-in"):
        without, within = (statistics.median(took[action, captured]) for captured in (False, True))
        sys.stdout.write(
            f"{action}: {without:.2f} ms without the trigger, {within:.2f} ms with it:"
            f" {within - without:+.2f} ms, times {within / without:.2f} (medians of {rounds} rounds)\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
