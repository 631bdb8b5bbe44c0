"""Changes of auth.users, whose webhooks are spread over the receivers, and the checks of the result."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.scale_out.hosts import Member, Site, wait_for
from tests.chaos.world import build, send_to
from tests.pg_net_double import Mischief, working
from webhook_service.db import migrate

PEOPLE = 2000
INTERVAL_SECONDS = 0.25
DROP = 0.5
"""The share of the webhooks that are lost, so that receivers and relays both have work."""
PATIENCE_SECONDS = 180.0

SIGN_UP = """
with hired as (
  insert into public.employees (email) select 'person-' || n || '@example.com' from generate_series(1, %(n)s) as n)
insert into auth.users (id, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
select md5('person ' || n)::uuid, 'person-' || n || '@example.com', now(), '{}', '{"first_name": "First"}', now(), now()
  from generate_series(1, %(n)s) as n
"""
CHANGE = """
update auth.users set raw_user_meta_data = jsonb_build_object('first_name', %s::text), updated_at = now()
 where id in (select md5('person ' || n)::uuid from unnest(%s::integer[]) as n)
"""
IS_OPEN = (
    "select exists (select from public.integration_sync_log where direction = 'inbound' and status <> 'SUCCESS')"
    " or exists (select from public.auth_sync_hires)"
)
CAPTURED = "select count(*) from chaos.history"
APPLIED = "select count(*) from public.integration_sync_log where direction = 'inbound' and status = 'SUCCESS'"
VIA = """
select via, count(*) from public.integration_sync_log
 where direction = 'inbound' and status = 'SUCCESS' group by via order by via
"""
WRONG_EMPLOYEES = """
select count(*) from auth.users u left join public.employees e on e.auth_user_id = u.id
 where e.first_name is distinct from u.raw_user_meta_data ->> 'first_name'
"""
NOT_ONCE = """
select (select count(*) from public.integration_sync_log where direction = 'inbound' and attempts <> 1)
     + (select count(*) from (select employee_id, changes from chaos.changed
          except all
          select employee_id, changes from public.integration_sync_log where changes <> '{}') as not_in_ledger)
     + (select count(*) from (select employee_id, changes from public.integration_sync_log where changes <> '{}'
          except all select employee_id, changes from chaos.changed) as not_applied)
"""
"""Events with another number of attempts than one, and changes that only the ledger or only the witness has."""
ANSWERS = """
select coalesce(status_code::text, split_part(error_msg, ':', 1)), count(*)
  from net._http_response group by 1 order by 1
"""


@dataclass(frozen=True, slots=True)
class Result:
    """The numbers of events after a run in which each event was applied or lost.

    `answers` has the webhooks by the status of their response, or by the error.
    """

    captured: int
    lost: int
    twice: int
    wrong_employees: int
    via: dict[str, int]
    answers: dict[str, int]

    @property
    def wrong(self) -> list[str]:
        """A line for each rule that does not hold."""
        found = {
            "events are lost": self.lost,
            "events or changes were not applied exactly once": self.twice,
            "employees differ from their auth users": self.wrong_employees,
        }
        return [f"{number} {what}" for what, number in found.items() if number]

    def __str__(self) -> str:
        via = ", ".join(f"{number:,} via {name}" for name, number in self.via.items())
        answers = ", ".join(f"{number:,} {name}" for name, number in self.answers.items())
        return (
            f"{self.captured:,} events: {self.lost} lost, {self.twice} applied otherwise than once,"
            f" {self.wrong_employees} employees wrong ({via}; webhooks: {answers})"
        )


@dataclass(slots=True)
class Load:
    """Changes `rate` people a second, until it is stopped."""

    url: str
    rate: int
    is_stopped: threading.Event = field(default_factory=threading.Event)
    errors: list[Exception] = field(default_factory=list)

    def run(self) -> None:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                number = 0
                while not self.is_stopped.wait(INTERVAL_SECONDS):
                    number += 1
                    people = random.sample(range(1, PEOPLE + 1), min(PEOPLE, round(self.rate * INTERVAL_SECONDS)))
                    connection.execute(CHANGE, [f"Name {number}", people])
        except psycopg.Error as error:
            self.errors.append(error)


def prepare(site: Site, install: Callable[[str], object] = migrate.migrate) -> None:
    """Create the tables, the witnesses and the proxy, and let all people sign up. No webhook is posted for this."""
    build(site.url, install)
    with connected(site) as connection:
        connection.execute(Path(__file__).with_name("proxy.sql").read_bytes())
        connection.execute(SIGN_UP.encode(), {"n": PEOPLE})
    send_to(site.url, "http://no-receiver.invalid", "1 second")


def spread_over(site: Site, receivers: Sequence[Member]) -> None:
    """Send the next webhooks to these receivers."""
    with connected(site) as connection, connection.transaction():
        connection.execute("delete from chaos.receivers")
        for receiver in receivers:
            connection.execute("insert into chaos.receivers values (%s)", [receiver.url])


@contextmanager
def loaded(site: Site, rate: int) -> Iterator[None]:
    """Change people in the background, and post the webhooks. At the end, wait until each event is applied."""
    load = Load(site.url, rate)
    thread = threading.Thread(target=load.run)
    with working(site.url, Mischief(interval=0.2, drop=DROP)):
        thread.start()
        try:
            yield
        finally:
            load.is_stopped.set()
            thread.join()
        if load.errors:
            raise RuntimeError("the load failed") from load.errors[0]
        wait_for("all webhooks", lambda: number(site, "select count(*) from net.http_request_queue") == 0, 120)
        wait_until_applied(site)


def wait_until_applied(site: Site, seconds: float = PATIENCE_SECONDS) -> None:
    wait_for("all events to be applied", lambda: not number(site, IS_OPEN), seconds)


def result(site: Site) -> Result:
    captured = number(site, CAPTURED)
    with connected(site) as connection:
        via: dict[str, int] = dict(connection.execute(VIA.encode()).fetchall())
        answers: dict[str, int] = dict(connection.execute(ANSWERS.encode()).fetchall())
    lost, twice, employees = captured - number(site, APPLIED), number(site, NOT_ONCE), number(site, WRONG_EMPLOYEES)
    return Result(captured, lost, twice, employees, via, answers)


def number(site: Site, query: str) -> int:
    """The single value that a query returns."""
    with connected(site) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None  # noqa: S101 (the query returns one row)
    return int(row[0])


def connected(site: Site) -> psycopg.Connection[Any]:
    return psycopg.connect(site.url, autocommit=True, application_name="scale_out")
