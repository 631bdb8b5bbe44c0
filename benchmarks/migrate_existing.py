"""Measure how long the first migration takes with many existing employees, and how long it blocks a writer.

python benchmarks/migrate_existing.py [EMPLOYEES]    (default 1,000,000; takes about half a minute)
"""

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from webhook_service.db import embedded, migrate

EMPLOYEES = """
create table employees (
  employee_id bigint generated always as identity primary key,
  email text, first_name text, last_name text, department text
);
insert into employees (email, first_name, last_name)
select 'Person' || n || '@Example.com', 'First' || n, 'Last' || n from generate_series(1, {count}) as n;
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded.running(Path(folder)) as environment:
        url = environment["DATABASE_URL"]
        with psycopg.connect(url) as connection:
            connection.execute(EMPLOYEES.format(count=count).encode())
            before = connection.execute("select pg_relation_filenode('employees')").fetchone()
        is_done = threading.Event()
        with ThreadPoolExecutor() as pool:
            waited = pool.submit(longest_write, url, is_done)
            started = time.perf_counter()
            migrate.migrate(url)
            seconds = time.perf_counter() - started
            is_done.set()
        with psycopg.connect(url) as connection:
            rewritten = before != connection.execute("select pg_relation_filenode('employees')").fetchone()
    sys.stdout.write(
        f"{count:,} employees: migrated in {seconds:.1f} s, {'rewritten' if rewritten else 'not rewritten'};"
        f" a writer waited for {waited.result():.1f} s at most\n"
    )


def longest_write(url: str, is_done: threading.Event) -> float:
    """Change one employee repeatedly until `is_done`. Return the seconds of the slowest change."""
    longest = 0.0
    with psycopg.connect(url, autocommit=True) as connection:
        while not is_done.is_set():
            started = time.perf_counter()
            connection.execute("update employees set department = 'x' where employee_id = 1")
            longest = max(longest, time.perf_counter() - started)
    return longest


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
