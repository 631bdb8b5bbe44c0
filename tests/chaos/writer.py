"""A thread in which people sign up and change and the HR system hires, while processes are killed."""

import random
import threading
import time
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.auth_stand_in import Auth
from tests.chaos.population import Person, act, newcomer, random_name, sign_up, vacancy

PEOPLE = 12
INTERVAL_SECONDS = 0.01
"""The time between two actions, in which the service can process events while the writer writes."""
TIMEOUT_SECONDS = 60.0
HIRE = "insert into public.employees (email, first_name, last_name) values (%s, %s, %s)"


class Outages:
    """Counts the kills and restarts of PostgreSQL. It is down while the count is odd."""

    def __init__(self) -> None:
        self.count = 0

    def excuse(self, before: int) -> bool:
        """Return whether PostgreSQL was down at some moment since the count was `before`."""
        return before % 2 == 1 or self.count != before


class Writer:
    """Acts while it is running. Only a killed PostgreSQL excuses a failed action."""

    def __init__(self, url: str, outages: Outages, seed: int) -> None:
        self._url = url
        self._outages = outages
        self._dice = random.Random(f"{seed}-writer")
        self._number = 0
        self._people = [self._newcomer() for _ in range(PEOPLE)]
        self._connections: list[psycopg.Connection[Any]] = []
        self._clients: tuple[Auth, psycopg.Connection[Any]] | None = None
        self._connected_at = 0
        self.actions = 0
        self.interrupted = 0
        self.signed_up: list[Person] = []
        self.failures: list[str] = []
        """Failed actions that no kill of PostgreSQL excuses, and warnings of the triggers. It must stay empty."""
        self._going = threading.Event()
        self._idle = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def go(self) -> None:
        self._idle.clear()
        self._going.set()

    def pause(self) -> None:
        """Wait until the current action has ended."""
        self._going.clear()
        assert self._idle.wait(TIMEOUT_SECONDS), "the writer hangs"

    def end(self) -> None:
        self._ending.set()
        self._going.set()
        self._thread.join(TIMEOUT_SECONDS)
        self._disconnect()

    def _run(self) -> None:
        while not self._ending.is_set():
            if not self._going.is_set():
                self._idle.set()
                self._going.wait(0.05)
                continue
            self._idle.clear()
            self._act()
            self._ending.wait(INTERVAL_SECONDS)
        self._idle.set()

    def _act(self) -> None:
        """Perform one action. If PostgreSQL is killed, only a sign-up is retried, and it may already be committed."""
        person = self._dice.choice(self._people)
        new = person not in self.signed_up
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            before = self._outages.count
            try:
                self._one_action(person, before)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._disconnect()
                if not self._outages.excuse(before):
                    self.failures.append(f"{type(error).__name__} {error.sqlstate}: {error}")
                self.interrupted += 1
                if new:
                    self._ending.wait(INTERVAL_SECONDS)  # as Auth's client does before it retries
                    continue
            except (psycopg.Error, LookupError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.actions += 1
            return
        self.failures.append("PostgreSQL did not come back")

    def _one_action(self, person: Person, outages: int) -> None:
        auth, hr = self._connected(outages)
        with hr.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute("select * from auth.users where id = %s", [person.user]).fetchone()
            known = cursor.execute("select 1 from chaos.history where auth_user_id = %s", [person.user]).fetchone()
        address = vacancy(person, row, self._dice) if row is not None or known is None else None
        is_retry = known is None and person in self.signed_up
        if address is not None and not is_retry and self._dice.random() < 0.15:
            person.hired.add(address)  # even if the response is lost
            name = random_name(self._dice)
            spelled = address.title() if self._dice.random() < 0.3 else address
            hr.execute(HIRE, [spelled, name["first_name"], name["last_name"]])
        elif known is None:
            if person not in self.signed_up:
                self.signed_up.append(person)
            sign_up(auth, person, self._dice)
        elif row is None:
            self._people[self._people.index(person)] = self._newcomer()
        else:
            act(auth, person, row, self._dice)

    def _newcomer(self) -> Person:
        self._number += 1
        return newcomer(self._number, self._dice)

    def _connected(self, outages: int) -> tuple[Auth, psycopg.Connection[Any]]:
        if self._clients is None or self._connected_at != outages:
            self._disconnect()
            self._connections = [
                psycopg.connect(self._url, autocommit=True, connect_timeout=5, application_name=name)
                for name in ("auth", "hr")
            ]
            self._connections[0].add_notice_handler(self._on_notice)
            self._clients, self._connected_at = (Auth(self._connections[0]), self._connections[1]), outages
        return self._clients

    def _on_notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if (message := notice.message_primary or "").startswith("webhook-service"):
            self.failures.append(message)

    def _disconnect(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections, self._clients = [], None
