"""How long the first migration takes where employees are many already, and how long it holds up who writes them.

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
        over = threading.Event()
        with ThreadPoolExecutor() as pool:
            waited = pool.submit(longest_write, url, over)
            started = time.perf_counter()
            migrate.migrate(url)
            seconds = time.perf_counter() - started
            over.set()
        with psycopg.connect(url) as connection:
            rewritten = before != connection.execute("select pg_relation_filenode('employees')").fetchone()
    sys.stdout.write(
        f"{count:,} employees: migrated in {seconds:.1f} s, {'rewritten' if rewritten else 'not rewritten'};"
        f" a writer waited for {waited.result():.1f} s at most\n"
    )


def longest_write(url: str, over: threading.Event) -> float:
    """Changes one employee after the other; how long the slowest change took, in seconds."""
    longest = 0.0
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.is_set():
            started = time.perf_counter()
            connection.execute("update employees set department = 'x' where employee_id = 1")
            longest = max(longest, time.perf_counter() - started)
    return longest


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
