"""People for tests that use the database only through its port."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tests.auth_traffic import CONFIRMED
from tests.webhook_events import work_of
from webhook_service.events import Json, Result
from webhook_service.inbound.processing import process_batch
from webhook_service.policy import Policy
from webhook_service.ports import Database


@dataclass(frozen=True, slots=True)
class Person:
    """An auth user with one employee or several, unique to one test."""

    database: Database
    id: UUID = field(default_factory=uuid4)

    @property
    def email(self) -> str:
        return f"{self.id}@example.com"

    def hire(self) -> int:
        query = f"insert into public.employees (email) values ('{self.email}') returning to_jsonb(employee_id)"  # noqa: S608
        return int(self.database.call("test_query", p_sql=query))

    def employee(self, employee_id: int) -> Json:
        query = f"select to_jsonb(e) from public.employees e where employee_id = {employee_id}"  # noqa: S608
        return self.database.call("test_query", p_sql=query)

    def event(self, name: str) -> str:
        return f"{self.id}:{name}"

    def process(self, **webhooks: Json) -> list[Result]:
        works = [work_of(webhook, self.event(name)) for name, webhook in webhooks.items()]
        return process_batch(self.database, works, Policy())

    def confirmed(self, **columns: Json) -> dict[str, Any]:
        return {"email": self.email, "email_confirmed_at": CONFIRMED} | columns
