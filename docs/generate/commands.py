"""The commands of `webhook-service`, from click."""

from collections.abc import Iterator

import click

from docs.generate.markdown import code, table
from webhook_service.cli.main import main

NAME = "webhook-service"


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """(name, command) of a command or, for a group, of each of its commands, sorted by name."""
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from commands(command.commands[child], f"{name} {child}")
    else:
        yield name, command


def section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, max_content_width=1000)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    records = (
        parameter.get_help_record(context)
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
    )
    options = [(code(names), text) for names, text in filter(None, records)]
    parts = [f"## {name.removeprefix(f'{NAME} ')}", f"`{usage}`", paragraphs(command.help or "")]
    return "\n\n".join([*parts, *([table(("option", "meaning"), options)] if options else [])])


def paragraphs(help: str) -> str:
    """Return the paragraphs of a help text, each on one line. A paragraph after \\b keeps its lines."""
    return "\n\n".join(
        f"```text\n{unindented(text)}\n```" if text.lstrip().startswith("\b") else " ".join(text.split())
        for text in help.split("\n\n")
    )


def sections() -> str:
    return "\n\n".join(section(name, command) for name, command in commands(main, NAME))


def unindented(text: str) -> str:
    """Return the lines after \\b without their indentation, which differs between versions of Python."""
    return "\n".join(line.strip() for line in text.replace("\b", "").strip().splitlines())
