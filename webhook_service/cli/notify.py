"""The command `webhook-service notify`."""

import sys

import click

from webhook_service import config
from webhook_service.config import read_environment
from webhook_service.notifications.destinations import destinations, send

TITLE = "[webhook-service] A test"
BODY = "This is a test: messages of webhook-service arrive here."


@click.command(short_help="Try whether messages arrive.")
@click.option("--test", is_flag=True, required=True, help="Send a test message to each of NOTIFY_URLS.")
def notify(test: bool) -> None:
    """Send a test message to each of NOTIFY_URLS, and say which of them did not take it.

    Exit code 0 where all have taken it, 1 where one has not.
    """
    urls = config.notices(read_environment()).urls
    if not urls:
        raise click.ClickException("NOTIFY_URLS is not set: nobody would be told.")
    to = destinations(urls)
    taken = send(to, TITLE, BODY)
    for number, one in enumerate(to, start=1):
        click.echo(f"{number} {one.name}: {'sent' if one in taken else 'NOT SENT'}")
    sys.exit(0 if len(taken) == len(to) else 1)
