"""The conditions after each cycle of a chaos run. All processes run again, and no event is open."""

import json
from collections import Counter
from typing import Any

import psycopg
from psycopg import sql

from tests.acceptance.conftest import wait_for
from tests.chaos.oracle import Oracle
from tests.chaos.world import World
from webhook_service.db.direct import DirectDatabase
from webhook_service.ledger.reconcile import reconcile
from webhook_service.policy import Policy

OPEN = """
select event_id, status, outcome, attempts, lease, error_message from public.integration_sync_log
 where direction = 'inbound' and status <> 'SUCCESS'
"""
HIRES_ARE_DUE = "update public.auth_sync_hires set seen_at = now() - interval '1 minute'"
HIRES_OR_OPEN = """
select where exists (select from public.auth_sync_hires)
          or exists (select from public.integration_sync_log where direction = 'inbound' and status <> 'SUCCESS')
"""
EMPLOYEES = """
select employee_id, email, first_name, last_name, auth_user_id, orphaned_auth_user_id from public.employees
"""

STORY = """
with person as (select * from chaos.hired where employee_id = %s),
     users as (select distinct auth_user_id from chaos.history
                where lower(email) in (select lower(email) from person)
                   or auth_user_id = (select auth_user_id from public.employees join person using (employee_id)))
select at::time(3)::text, 'hired' as what, email, employee_id::text as more from person
union all
select at::time(3)::text, operation, email,
       concat_ws(' ', auth_user_id, case when is_confirmed then 'confirmed' end, metadata ->> 'first_name')
  from chaos.history join users using (auth_user_id)
union all
select completed_at::time(3)::text, concat_ws(' ', operation, status, outcome, 'via', via),
       coalesce(request_data -> 'record' ->> 'email', request_data ->> 'email'),
       concat_ws(' ', event_id, 'created', created_at::time(3), changes::text)
  from public.integration_sync_log join users using (auth_user_id)
 order by 1
"""


class Checks:
    """Reads only the rows that are new since the last check, so that all checks are equally fast."""

    def __init__(self, url: str) -> None:
        self._database = DirectDatabase(url)
        self._oracle = Oracle()
        self._seen: Counter[str] = Counter()
        self.applied = 0
        """The number of inbound events in the ledger with status SUCCESS."""

    def settled(self, world: World) -> None:
        """Wait until no event is open, and a relay has retried the links of the new employees.

        A relay retries these 10 seconds after a hire, when each call of that time has ended. Here no call is left once
        no event is open, so the retries are made due at once.
        """
        with world.connect() as connection:
            try:
                wait_for("all events", lambda: connection.execute(OPEN).fetchone() is None, seconds=180)
                connection.execute(HIRES_ARE_DUE)
                wait_for("the hires", lambda: connection.execute(HIRES_OR_OPEN).fetchone() is None, seconds=180)
            except BaseException as error:
                left = connection.execute(OPEN).fetchall()
                raise AssertionError(f"{len(left)} events are still open: {left[:5]}") from error

    def differences(self, world: World) -> list[str]:
        """Return a readable line for each violated condition."""
        with world.connect() as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read")
            self._oracle.hire(self._new(connection, "chaos.hired"))
            self._oracle.commit(self._new(connection, "chaos.history"))
            wrong = self._oracle.differences(connection.execute(EMPLOYEES).fetchall())
            wrong += [line for difference in wrong[:1] for line in self._story(connection, difference)]
            wrong += self._applied_otherwise_than_once(connection)
        known = self._oracle.users
        wrong += [
            f"the sign-up of {person.user} failed" for person in world.writer.signed_up if person.user not in known
        ]
        wrong += world.writer.failures
        wrong += [f"{name} has ended by itself" for name, process in world.processes.items() if process.has_ended()]
        found = reconcile(self._database, Policy(), requested_by="chaos", dry_run=True)
        return wrong + [f"reconcile found {dict(difference)}" for difference in found.shown]

    def _story(self, connection: psycopg.Connection[dict[str, Any]], difference: str) -> list[str]:
        """Return the history of an employee with a difference, and of its user, in the order of their times."""
        return [
            "  " + " | ".join(str(value) for value in row.values())
            for row in connection.execute(STORY, [int(difference.split()[1].rstrip(":"))])
        ]

    def _applied_otherwise_than_once(self, connection: psycopg.Connection[dict[str, Any]]) -> list[str]:
        """Compare the changes in the ledger with those that the witnesses saw on employees."""
        done = [row for row in self._new(connection, "public.integration_sync_log") if row["direction"] == "inbound"]
        self.applied += len(done)
        reported = Counter(as_key(row) for row in done if row["changes"])
        seen = Counter(as_key(row) for row in self._new(connection, "chaos.changed"))
        return [
            *(f"{row['event_id']}: {row['attempts']} attempts" for row in done if row["attempts"] != 1),
            *(f"in the ledger, but not applied: {key}" for key in (reported - seen)),
            *(f"applied, but not in the ledger: {key}" for key in (seen - reported)),
        ]

    def _new(self, connection: psycopg.Connection[dict[str, Any]], table: str) -> list[dict[str, Any]]:
        """Return the rows that are new since the last check. No event is open, so no lower id appears later."""
        query = sql.SQL("select * from {} where id > %s order by id").format(sql.Identifier(*table.split(".")))
        found = connection.execute(query, [self._seen[table]]).fetchall()
        if found:
            self._seen[table] = found[-1]["id"]
        return found

    def close(self) -> None:
        self._database.close()


def as_key(row: dict[str, Any]) -> str:
    return f"employee {row['employee_id']}: {json.dumps(row['changes'], sort_keys=True)}"
