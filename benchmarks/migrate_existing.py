"""How long the first migration holds up an employees table that is already large.

python benchmarks/migrate_existing.py [EMPLOYEES]    (default 1,000,000; takes about half a minute)
"""

import sys
import tempfile
import time
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
        started = time.perf_counter()
        migrate.migrate(url)
        seconds = time.perf_counter() - started
        with psycopg.connect(url) as connection:
            rewritten = before != connection.execute("select pg_relation_filenode('employees')").fetchone()
    sys.stdout.write(
        f"{count:,} employees: migrated in {seconds:.1f} s, {'rewritten' if rewritten else 'not rewritten'}\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
