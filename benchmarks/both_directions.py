"""Make random changes by HR and by Auth at the same time, with failures and crashes. Both sides must agree in the end.

python -m benchmarks.both_directions [--runs 500] [--seed N]    (500 runs take about ten minutes)

Each seed has two runs. Auth owns the e-mails in the first run, and employees own them in the second run. The rules are
in tests/integration/two_sides_rules. Runs of a seed are equal, except with several actions at once. The exit code is 1
if a rule did not hold.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from tests.integration.two_sides import Plan, put_witnesses
from tests.integration.two_sides_rules import violations
from webhook_service.db import embedded, migrate
from webhook_service.policy import EmailOwner


def main(runs: int, seed: int) -> bool:
    """Return whether every rule held."""
    started = time.monotonic()
    wrong: list[Plan] = []
    with tempfile.TemporaryDirectory(prefix="both-") as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        migrate.migrate(url)
        put_witnesses(url)
        for plan in (Plan(number, owner) for number in range(seed, seed + runs) for owner in EmailOwner):
            if lines := violations(url, plan):
                wrong.append(plan)
                sys.stdout.write("\n".join([f"\n{plan}", *lines, ""]))
                sys.stdout.flush()
            sys.stderr.write(f"\r{plan.seed - seed + 1} runs, {len(wrong)} wrong")
    sys.stdout.write(f"\n{runs} runs for each owner, {len(wrong)} wrong, {time.monotonic() - started:.0f} s\n")
    return not wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make random changes on both sides, and check the rules at the end.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    sys.exit(0 if main(arguments.runs, arguments.seed) else 1)
