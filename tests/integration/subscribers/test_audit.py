"""The audit records who changed which subscriber."""

import json

import pytest

from tests.employees import Connection
from webhook_service.errors import NotPossible
from webhook_service.ports import Database
from webhook_service.subscribers import registry

URL = "https://crm.example.com/hook?token=abc"
WHO = "cli:ann"


def test_each_change_is_audited_without_a_secret(database: Database, connection: Connection) -> None:
    """Each act has an entry with the admin, the subscriber and the result, and without a secret or the URL's token."""
    secrets = [registry.create(database, "crm", URL, who=WHO), registry.rotate(database, "crm", who=WHO)]
    registry.enable(database, "crm", who=WHO, is_enabled=False)
    registry.enable(database, "crm", who=WHO, is_enabled=True)
    registry.replay(database, "crm", who=WHO)
    registry.remove(database, "crm", who=WHO)
    entries = connection.execute("select * from auth_sync_audit order by id").fetchall()
    assert [each["action"] for each in entries] == [
        "create a subscriber",
        "replace the secret of a subscriber",
        "disable a subscriber",
        "enable a subscriber",
        "replay deliveries",
        "remove a subscriber",
    ]
    assert {(each["who"], each["target"], each["result"]) for each in entries} == {(WHO, "subscriber:crm", "done")}
    written = json.dumps(entries, default=str)
    assert not any(secret in written for secret in [*secrets, "token=abc"])


def test_a_refused_change_is_audited(database: Database, connection: Connection) -> None:
    """A creation that is refused because the name is in use has an entry with the reason."""
    registry.create(database, "crm", URL, who=WHO)
    with pytest.raises(NotPossible, match="name_taken"):
        registry.create(database, "crm", URL, who=WHO)
    entries = connection.execute("select result, reason from auth_sync_audit order by id").fetchall()
    assert entries[1] == {"result": "refused", "reason": "There is a subscriber crm already."}
