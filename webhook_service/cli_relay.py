"""The command `webhook-service relay`."""

import logging.config
import signal
from pathlib import Path

import click

from webhook_service import config
from webhook_service.app import database_for, relay_for
from webhook_service.cli_data_dir import DATA_DIR, environment_of
from webhook_service.log import dict_config
from webhook_service.relay import own_name, run_once


@click.command(short_help="Deliver what the webhook lost.")
@click.option("--once", is_flag=True, help="Only what is due now, then end.")
@DATA_DIR
def relay(once: bool, data_dir: Path) -> None:
    """Apply the events of the ledger that no webhook has brought, and those whose next attempt is due.

    Runs until SIGTERM or Ctrl+C. `serve` relays too, unless RELAY=off; any number may run at once.
    """
    with environment_of(data_dir) as environment:
        connection, policy = config.connection(environment), config.policy(environment)
        logging.config.dictConfig(dict_config(config.log_level(environment)))
        database = database_for(connection)
        try:
            if once:
                count, name = 0, own_name()
                while claimed := run_once(database, policy, name=name).claimed:
                    count += claimed
                click.echo(f"{count} events were due.")
                return
            loop = relay_for(connection, database, policy)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, frame: loop.stop())
            loop.run()
        finally:
            database.close()
