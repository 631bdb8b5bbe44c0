"""The command `webhook-service subscribers`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook_service import config
from webhook_service.cli import output
from webhook_service.cli.data_dir import DATA_DIR, database_of, requester
from webhook_service.ports import Database
from webhook_service.subscribers import registry
from webhook_service.subscribers.event_types import EventType

NAME = click.argument("name")


@contextmanager
def opened(data_dir: Path) -> Iterator[Database]:
    with database_of(data_dir) as (database, _):
        yield database


def private_addresses() -> bool:
    return config.event_private_addresses(config.read_environment())


@click.group(short_help="Send events to other systems.")
def subscribers() -> None:
    """Send signed events to other systems, which are the subscribers."""


@subscribers.command(short_help="Create a subscriber.")
@NAME
@click.argument("url")
@click.option(
    "--type", "types", multiple=True, type=click.Choice([str(each) for each in EventType]), help="Send only this type."
)
@click.option("--allow-private", is_flag=True, help="Allow a private address. Needs EVENT_PRIVATE_ADDRESSES=on.")
@output.JSON
@DATA_DIR
def create(name: str, url: str, types: tuple[str, ...], allow_private: bool, as_json: bool, data_dir: Path) -> None:
    """Create a subscriber, and print its secret. The secret is not shown again."""
    with opened(data_dir) as database:
        secret = registry.create(
            database,
            name,
            url,
            [EventType(each) for each in types],
            who=requester(),
            allow_private=allow_private,
            private_addresses=private_addresses(),
        )
    output.result(
        as_json, {"name": name, "secret": secret}, f"{name} is created. Its secret, which is not shown again:\n{secret}"
    )


@subscribers.command("list", short_help="Show all subscribers.")
@output.JSON
@DATA_DIR
def list_(as_json: bool, data_dir: Path) -> None:
    """Show all subscribers, with their numbers of pending and dead deliveries."""
    with opened(data_dir) as database:
        found = registry.listed(database)
    if as_json:
        output.emit({"subscribers": found})
        return
    rows = [
        (each["name"], each["url"], each["disabled_reason"] or "-", each["pending"], each["dead"]) for each in found
    ]
    output.table(("name", "url", "disabled", "pending", "dead"), rows)


@subscribers.command(short_help="Show a subscriber and its open deliveries.")
@NAME
@output.JSON
@DATA_DIR
def show(name: str, as_json: bool, data_dir: Path) -> None:
    """Show a subscriber with its newest deliveries that are not done, the dead ones first."""
    with opened(data_dir) as database:
        found = registry.shown(database, name)
    if as_json:
        output.emit(found)
        return
    types = ", ".join(found["types"]) if found["types"] is not None else "all"
    click.echo(f"{name}: {found['url']}, types: {types}, disabled: {found['disabled_reason'] or 'no'}")
    fields = ("id", "type", "status", "attempts", "error")
    output.table(fields, [[each[field] for field in fields] for each in found["deliveries"]])


@subscribers.command(short_help="Enable a subscriber.")
@NAME
@output.JSON
@DATA_DIR
def enable(name: str, as_json: bool, data_dir: Path) -> None:
    """Enable a subscriber. Its pending deliveries go on. Events that ended while it was disabled are not sent."""
    switch(name, True, as_json, data_dir)


@subscribers.command(short_help="Disable a subscriber.")
@NAME
@output.JSON
@DATA_DIR
def disable(name: str, as_json: bool, data_dir: Path) -> None:
    """Disable a subscriber: it gets no events, and its pending deliveries wait."""
    switch(name, False, as_json, data_dir)


def switch(name: str, is_enabled: bool, as_json: bool, data_dir: Path) -> None:
    with opened(data_dir) as database:
        registry.enable(database, name, who=requester(), is_enabled=is_enabled)
    output.result(
        as_json, {"name": name, "is_enabled": is_enabled}, f"{name} is {'enabled' if is_enabled else 'disabled'}."
    )


@subscribers.command(short_help="Give a subscriber a new secret.")
@NAME
@output.JSON
@DATA_DIR
def rotate(name: str, as_json: bool, data_dir: Path) -> None:
    """Give a subscriber a new secret, and print it. For 24 hours, the former secret signs too."""
    with opened(data_dir) as database:
        secret = registry.rotate(database, name, who=requester())
    output.result(
        as_json, {"name": name, "secret": secret}, f"The new secret of {name}, which is not shown again:\n{secret}"
    )


@subscribers.command(short_help="Remove a subscriber.")
@NAME
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@output.JSON
@DATA_DIR
def remove(name: str, yes: bool, as_json: bool, data_dir: Path) -> None:
    """Remove a subscriber and all its deliveries."""
    with opened(data_dir) as database:
        if not yes:
            output.ask(f"Remove {name} and its deliveries?")
        registry.remove(database, name, who=requester())
    output.result(as_json, {"name": name, "is_removed": True}, f"{name} is removed.")


@subscribers.command(short_help="Send dead deliveries again.")
@NAME
@click.option("--delivery", type=int, help="Only the delivery with this id, which may also be done.")
@output.JSON
@DATA_DIR
def replay(name: str, delivery: int | None, as_json: bool, data_dir: Path) -> None:
    """Make all dead deliveries of a subscriber due again. A relay sends them."""
    with opened(data_dir) as database:
        count = registry.replay(database, name, delivery, who=requester())
    output.result(as_json, {"name": name, "replayed": count}, f"{count} deliveries are due again.")


@subscribers.command(short_help="Send a test event.")
@NAME
@output.JSON
@DATA_DIR
def test(name: str, as_json: bool, data_dir: Path) -> None:
    """Send an event of the type `subscriber.test` at once. The exit code is 1 if the subscriber does not accept it."""
    with opened(data_dir) as database:
        answer = registry.try_out(
            database, name, who=requester(), private_addresses=private_addresses(), now=datetime.now(UTC)
        )
    output.result(
        as_json,
        {"name": name, "status_code": answer.status_code, "error": answer.error},
        f"{name} accepted the event." if answer.error is None else f"{name} did not accept it: {answer.error}.",
    )
    if answer.error is not None:
        click.get_current_context().exit(1)
