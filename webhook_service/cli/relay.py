"""The command `webhook-service relay`."""

import logging.config
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook_service import config
from webhook_service.app import accounts_for, database_for, relay_for
from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, environment_of
from webhook_service.config import value_of
from webhook_service.ledger import nightly
from webhook_service.ledger.relay import run_once
from webhook_service.log import dict_config
from webhook_service.loops import own_name
from webhook_service.notifications import notify
from webhook_service.outbound.accounts import Accounts
from webhook_service.policy import Policy
from webhook_service.ports import Database
from webhook_service.subscribers import delivering


@click.command(short_help="Apply due events and perform due actions.")
@click.option("--once", is_flag=True, help="Process the due events, actions and deliveries, and exit.")
@output.JSON
@DATA_DIR
def relay(once: bool, as_json: bool, data_dir: Path) -> None:
    """Apply events that no webhook delivered, retry failed events, perform actions in Auth, and send to subscribers.

    The command runs until SIGTERM or Ctrl+C. `serve` runs a relay too, unless RELAY=off. Any number of relays may run
    at the same time. Once a day, at RECONCILE_AT, a relay also reconciles.
    """
    if as_json and not once:
        raise click.UsageError("--json needs --once. Without it, the output is the log: see LOG_FORMAT.")
    with environment_of(data_dir) as environment:
        connection, policy = config.connection(environment), config.policy(environment)
        logging.config.dictConfig(dict_config(config.log_level(environment), config.log_format(environment)))
        database = database_for(connection)
        accounts = accounts_for(config.auth_admin(environment), database, policy, config.auth_rate(environment))
        notices, pages = config.notices(environment), config.pages(environment)
        reconcile_at = config.reconcile_at(environment)
        admin_api_key = value_of(environment, "ADMIN_API_KEY")
        notifier = notify.notifier(database, notices, pages, admin_api_key, with_actions=accounts is not None)
        try:
            if once:
                if reconcile_at is not None:
                    nightly.run_once(database, policy, reconcile_at)
                events, actions = process_due(database, policy, accounts)
                deliveries = deliver_due(database, private_addresses=config.event_private_addresses(environment))
                if notifier is not None:
                    notifier.run_once(own_name())
                output.say(f"{events} events were due, and {actions} actions.")
                if deliveries:
                    output.say(f"{deliveries} deliveries to subscribers were due.")
                if as_json:
                    output.emit({"events": events, "actions": actions, "deliveries": deliveries})
                return
            loop = relay_for(
                connection,
                database,
                policy,
                accounts,
                notifier,
                reconcile_at=reconcile_at,
                private_addresses=config.event_private_addresses(environment),
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, frame: loop.stop())
            loop.run()
        finally:
            database.close()


def process_due(database: Database, policy: Policy, accounts: Accounts | None) -> tuple[int, int]:
    """Process the due events, and the due actions as fast as the rate allows. Return the numbers of both."""
    events, actions, name = 0, 0, own_name()
    while claimed := run_once(database, policy, name=name).claimed:
        events += claimed
    while accounts is not None:
        ran = accounts.run_once(name)
        actions += ran.claimed
        if not ran.claimed:
            if ran.next_in is None or ran.next_in > 1:
                break
            time.sleep(max(0.05, ran.next_in))
    return events, actions


def deliver_due(database: Database, *, private_addresses: bool) -> int:
    """Send the events that subscribers are due to get, each once. Return their number."""
    name, sent = own_name(), 0
    while True:
        ran = delivering.run_once(
            database, name=name, private_addresses=private_addresses, now=lambda: datetime.now(UTC)
        )
        sent += sum(ran.outcomes.values())
        if not ran.claimed and ran.next_in is None:
            return sent
