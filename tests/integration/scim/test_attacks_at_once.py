"""Many requests of several directories at once: each is answered, and the employees stay whole."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse

from tests.employees import Connection
from tests.integration.scim.requests import PATCH_URN, Requests, requests_of
from webhook_service.ports import Database
from webhook_service.scim.attributes import ENTERPRISE
from webhook_service.settings import Settings

PEOPLE = 4
ADDRESSES = [f"p{number}@example.com" for number in range(PEOPLE)]
THREADS = 6


def a_request(chance: random.Random, requests: Requests) -> TestResponse:
    """Send one random request about one of a few people, whose values contend with each other."""
    id = str(chance.randint(1, PEOPLE + 2))
    body = {
        "userName": chance.choice(ADDRESSES),
        "externalId": f"x{chance.randint(1, PEOPLE)}",
        "active": chance.random() < 0.5,
        ENTERPRISE: {"employeeNumber": str(chance.randint(1, PEOPLE))},
    }
    part = dict(chance.sample(sorted(body.items()), chance.randint(1, 2)))
    patch = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "value": part}]}
    choices: list[Callable[[], TestResponse]] = [
        lambda: requests.send("POST", "/Users", body),
        lambda: requests.send("PUT", f"/Users/{id}", body),
        lambda: requests.send("PATCH", f"/Users/{id}", patch),
        lambda: requests.send("PATCH", f"/Users/{id}", patch, If_Match='W/"old"'),
        lambda: requests.send("DELETE", f"/Users/{id}"),
        lambda: requests.get(f'/Users?filter=userName eq "{body["userName"]}"'),
        lambda: requests.send(
            "POST",
            "/Bulk",
            {
                "Operations": [
                    {"method": "POST", "path": "/Users", "bulkId": "a", "data": body},
                    {"method": "PATCH", "path": f"/Users/{id}", "data": patch},
                    {"method": "DELETE", "path": "/Users/bulkId:a"},
                ]
            },
        ),
    ]
    return chance.choices(choices, (4, 3, 6, 1, 2, 2, 2))[0]()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(6))
def test_directories_contend(settings: Settings, database: Database, connection: Connection, seed: int) -> None:
    """Under random requests at once, none is a 5xx, no two employees share a value, and each has one manager."""
    directories = [requests_of(settings, database, name) for name in ("okta", "entra", "google")]

    def run(thread: int) -> list[tuple[int, str]]:
        chance = random.Random(seed * THREADS + thread)
        answers = [a_request(chance, chance.choice(directories)) for _ in range(40)]
        return [(each.status_code, each.text) for each in answers]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for answers in pool.map(run, range(THREADS)) for answer in answers]
    assert [text for status, text in answers if status >= 500 or '"status": "5' in text] == []
    assert {201, 200} <= {status for status, _ in answers}
    for column in ("lower(btrim(email))", "btrim(employee_number)"):
        query = f"select {column} from public.employees where {column} <> '' group by 1 having count(*) > 1"  # noqa: S608 (constants)
        assert connection.execute(query.encode()).fetchall() == []
    broken = connection.execute(
        "select p.employee_id from auth_sync_scim_people p left join public.employees e using (employee_id)"
        " group by 1 having count(*) filter (where p.manages) > 1 or bool_or(e.employee_id is null)"
        " or bool_or(p.manages and p.hidden_at is not null)"
    )
    assert broken.fetchall() == []
