"""The command `webhook-service notify`."""

import sys

import click

from webhook_service import config
from webhook_service.cli import output
from webhook_service.config import read_environment
from webhook_service.notifications.destinations import Level, destinations, send

TITLE = "[Auth sync] Test message"
BODY = "This is a test. Messages of Auth sync arrive here."


@click.command(short_help="Test whether messages arrive.")
@click.option("--test", is_flag=True, required=True, help="Send a test message to each of NOTIFY_URLS.")
@output.JSON
def notify(test: bool, as_json: bool) -> None:
    """Send a test message to each of NOTIFY_URLS, and print which URLs accepted it.

    The exit code is 0 if all URLs accepted the message, and 1 otherwise.
    """
    urls = config.notices(read_environment()).urls
    if not urls:
        raise click.ClickException("NOTIFY_URLS is not set, so no message would be sent. Set it and try again.")
    to = destinations(urls)
    accepted = send(to, TITLE, BODY, level=Level.INFO)
    if as_json:
        output.emit({"destinations": [{"name": one.name, "is_sent": one in accepted} for one in to]})
    for number, one in enumerate(to, start=1):
        output.say(f"{number} {one.name}: {'sent' if one in accepted else 'NOT SENT'}")
    sys.exit(0 if len(accepted) == len(to) else 1)
