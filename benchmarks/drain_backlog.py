"""Measure how many events a second one relay applies, in three runs of sign-ups with a confirmed e-mail.

python benchmarks/drain_backlog.py [USERS]    (default 20,000, with half as many employees; takes one to two minutes)
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.relay import run_once
from webhook_service.policy import Policy

EMPLOYEES = """
insert into employees (email) select 'person{run}-' || n * 2 || '@example.com' from generate_series(1, {half}) as n
"""
USERS = """
insert into auth.users (id, email, email_confirmed_at, created_at, updated_at, raw_user_meta_data)
select gen_random_uuid(), 'person{run}-' || n || '@example.com', now(), now(), now(), '{{"first_name": "Jane"}}'
  from generate_series(1, {count}) as n
"""
RUNS = 3


def main(count: int) -> None:
    rates = []
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        migrate.migrate(url)
        database = DirectDatabase(url)
        for run in range(RUNS):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(EMPLOYEES.format(run=run, half=count // 2).encode())
                connection.execute(USERS.format(run=run, count=count).encode())
            started = time.perf_counter()
            while run_once(database, Policy(), name="benchmark").claimed:
                pass
            rates.append(count / (time.perf_counter() - started))
        database.close()
    shown = ", ".join(f"{rate:,.0f}" for rate in rates)
    sys.stdout.write(
        f"one relay drains {statistics.median(rates):,.0f} events/s (median of {shown}; {count:,} events each)\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
