"""A directory deactivates a large part of the company, one request after the other."""

import pytest

from tests.conftest import ADMIN_KEY
from tests.employees import Connection
from tests.integration.captured import nothing_linked
from tests.integration.outbound.test_mass_deactivation import entered, waiting
from tests.integration.scim.requests import requests_of
from tests.integration.signing_in import recorded
from webhook_service.ports import Database
from webhook_service.settings import Settings

COMPANY = """
insert into employees (email, auth_user_id)
select 'e' || n || '@example.com', gen_random_uuid() from generate_series(1, %s) as n
"""
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
OFF = {"op": "replace", "path": "active", "value": False}


@pytest.mark.campaign
def test_a_thousand_deactivations_are_held(settings: Settings, database: Database, connection: Connection) -> None:
    """Each request succeeds and makes its employee inactive, so the directory has nothing to retry.

    The bans beyond a tenth of the logins wait until an admin releases them. A repeated request changes nothing.
    """
    with nothing_linked(connection):
        connection.execute(COMPANY, [1000])
    okta = requests_of(settings, database)
    for employee_id in (*range(1, 1001), 1, 1000):
        answer = okta.patch(str(employee_id), OFF)
        assert (answer.status_code, answer.get_json(force=True)["active"]) == (200, False)
    assert (entered(connection), waiting(connection)) == (100, 900)
    assert connection.execute("select from employees where is_active").fetchall() == []

    held = okta.client.get("/admin/api/held", headers=KEY).get_json()
    assert held["count"] == 900
    decision = {"newest_id": held["newest_id"], "requested_by": "Kim"}
    assert okta.client.post("/admin/api/held/release", json=decision, headers=KEY).get_json() == {"count": 900}
    assert (entered(connection), waiting(connection)) == (1000, 0)
    acts = [entry[:2] for entry in recorded(connection)]
    assert acts.count(("directory okta", "deactivate")) == 1000
    assert acts[-1] == ("api:Kim", "released held bans")
