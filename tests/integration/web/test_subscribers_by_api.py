"""Subscribers are managed by the admin API."""

from tests.employees import Connection
from tests.integration.admin_api import Api, audited, fits, reason_of
from tests.integration.subscribers.feeding import deliveries, feed, write_entry
from webhook_service.ports import Database
from webhook_service.web.api import subscriber_schemas as answers

CRM = {"name": "crm", "url": "https://crm.example.com/hook", "types": ["employee.synced"], "requested_by": "Ann"}
ANN = {"requested_by": "Ann"}


def test_a_subscriber_is_managed(api: Api, connection: Connection) -> None:
    """A subscriber is created, shown without its secret, given a new one, disabled, enabled and removed."""
    created = fits(api.post("/subscribers", CRM), answers.SubscriberSecret, 201)
    rotated = fits(api.post("/subscribers/crm/rotate", ANN), answers.SubscriberSecret)
    assert created["secret"] != rotated["secret"]
    [listed] = fits(api.get("/subscribers"), answers.Subscribers)["subscribers"]
    assert (listed["name"], listed["types"], listed["disabled_at"]) == ("crm", ["employee.synced"], None)
    off = fits(api.post("/subscribers/crm/disable", ANN), answers.SubscriberWithDeliveries)
    assert off["disabled_reason"] == "admin"
    fits(api.post("/subscribers/crm/enable", ANN), answers.SubscriberWithDeliveries)
    assert "whsec_" not in api.get("/subscribers").text + api.get("/subscribers/crm").text
    fits(api.post("/subscribers/crm/remove", ANN), answers.RemovedSubscriber)
    assert fits(api.get("/subscribers"), answers.Subscribers)["subscribers"] == []
    assert {(admin, target, result) for admin, _, target, result in audited(connection)} == {
        ("api:Ann", "subscriber:crm", "done")
    }


def test_dead_deliveries_are_replayed(api: Api, database: Database, connection: Connection) -> None:
    """Dead deliveries are shown with the event and the reason, and a replay makes them due again."""
    api.post("/subscribers", CRM)
    write_entry(connection, 7)
    feed(database)
    connection.execute(
        "update auth_sync_deliveries set status = 'DEAD', next_attempt_at = null, completed_at = now(),"
        " error = 'status_500', status_code = 500"
    )
    shown = fits(api.get("/subscribers/crm"), answers.SubscriberWithDeliveries)
    [dead] = shown["deliveries"]
    assert (shown["dead"], dead["status"], dead["error"], dead["employee_id"]) == (1, "DEAD", "status_500", 7)
    replayed = fits(api.post("/subscribers/crm/replay", {"delivery": dead["id"]}), answers.ReplayedDeliveries)
    assert (replayed["replayed"], deliveries(connection)[0]["status"]) == (1, "PENDING")


def test_a_test_event_is_sent(api: Api, connection: Connection) -> None:
    """The response says why the subscriber did not accept a test event, also if the secret is damaged."""
    api.post("/subscribers", CRM | {"url": "https://localhost:1/"})
    tested = fits(api.post("/subscribers/crm/test", ANN), answers.TestedSubscriber)
    assert (tested["status_code"], tested["error"]) == (None, "private_address")
    connection.execute("update auth_sync_subscribers set secret = 'x'")
    assert fits(api.post("/subscribers/crm/test", ANN), answers.TestedSubscriber)["error"] == "bad_secret"


def test_a_refusal_says_why(api: Api) -> None:
    """A bad URL, a name in use, a private address without the setting and an unknown subscriber have their reasons."""
    assert reason_of(api.post("/subscribers", CRM | {"url": "http://crm.example.com"})) == (409, "bad_url")
    assert reason_of(api.post("/subscribers", CRM | {"allow_private": True})) == (409, "private_addresses_off")
    assert reason_of(api.post("/subscribers", CRM | {"name": "CRM"})) == (422, "invalid_query")
    api.post("/subscribers", CRM)
    assert reason_of(api.post("/subscribers", CRM)) == (409, "name_taken")
    assert reason_of(api.get("/subscribers/nobody")) == (404, "subscriber_not_found")
    assert reason_of(api.post("/subscribers/a%00b/remove")) == (404, "subscriber_not_found")


def test_a_secret_is_not_kept_for_a_repeated_request(api: Api, connection: Connection) -> None:
    """The same request with the same key gets the answer without the secret, which the database does not keep."""
    first = api.post("/subscribers", CRM, Idempotency_Key="once")
    again = fits(api.post("/subscribers", CRM, Idempotency_Key="once"), answers.SubscriberSecret, 201)
    assert (again["secret"], again["secret_was_shown"]) == (None, True)
    kept = connection.execute("select * from auth_sync_idempotency_keys").fetchall()
    assert first.get_json()["secret"] not in str(kept)
