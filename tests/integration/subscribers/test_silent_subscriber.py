"""A subscriber that accepts a connection and never answers delays none of the relay's other loops."""

from tests.acceptance.conftest import wait_for
from tests.employees import employee
from tests.integration.performing import company
from tests.integration.subscribers.feeding import deliveries, subscribe, write_entry
from tests.integration.subscribers.receiving import serving
from webhook_service.app import relay_for
from webhook_service.policy import Policy
from webhook_service.settings import SupabaseConnection


def test_a_silent_subscriber_delays_no_ban_and_no_event(database_url: str) -> None:
    """While a delivery is open, a change of Auth is applied, and a dismissed employee's ban is confirmed."""
    polling = SupabaseConnection("http://unused", "unused")  # no connection to be woken by
    with serving() as receiver, company(database_url) as jane:
        receiver.may_answer.clear()
        subscribe(jane.database, p_url=f"http://127.0.0.1:{receiver.server_address[1]}/", p_allow_private=True)
        write_entry(jane.connection, 7)
        relay = relay_for(polling, jane.database, Policy(), jane.accounts, private_addresses=True)
        relay.start()
        try:
            wait_for("the delivery to be open", lambda: len(receiver.requests) == 1)
            jane.auth.update_metadata(jane.user, {"first_name": "Janet"})
            jane.write("is_active = false")
            wait_for("the event", lambda: employee(jane.connection, jane.jane)["first_name"] == "Janet")
            wait_for("the ban to be confirmed", lambda: "sessions_end_again_at" in jane.action["changes"])
            [first, *_] = deliveries(jane.connection)
            assert jane.is_banned
            assert (first["status"], first["attempts"]) == ("PENDING", 0)
        finally:
            receiver.may_answer.set()
            relay.stop(patience=20)
