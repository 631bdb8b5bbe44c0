"""Measure the time and memory of a first reconciliation of existing auth users, and the time of the second run.

python benchmarks/reconcile_users.py [USERS]    (default 1,000,000, with half as many employees)
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from webhook_service.db import embedded, migrate
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.reconcile import Reconciled, reconcile
from webhook_service.policy import Policy

USERS = """
insert into auth.users (id, email, email_confirmed_at, created_at, updated_at, raw_user_meta_data, raw_app_meta_data)
select gen_random_uuid(), 'person' || n || '@example.com', now(), now(), now(),
       jsonb_build_object('first_name', 'First' || n, 'last_name', 'Last' || n), '{{"provider": "email"}}'
  from generate_series(1, {count}) as n
"""
EMPLOYEES = """
insert into employees (email, first_name)
select 'Person' || n * 2 || '@Example.com', 'Somebody' from generate_series(1, {half}) as n
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(USERS.format(count=count).encode())
            migrate.migrate(url)
            connection.execute(EMPLOYEES.format(half=count // 2).encode())
            connection.execute("analyze")
        database = DirectDatabase(url)
        for run in ("first", "second"):
            started = time.perf_counter()
            done = reconcile(database, Policy(), requested_by="benchmark", dry_run=False, progress=show)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            sys.stdout.write(
                f"\r{run} reconcile of {count:,} users: {seconds:.0f} s, {count / seconds:,.0f} users/s,"
                f" {sum(done.differences.values()):,} differences, {done.outcomes}, at most {peak} MB in this process\n"
            )
        database.close()


def show(done: Reconciled) -> None:
    sys.stderr.write(f"\r{done.seen:,} of {done.to_see:,} ")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
