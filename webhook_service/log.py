"""Logs on standard error: lines of JSON, or lines for people on a terminal (LOG_FORMAT).

A line contains no secret, signature or body, and masks e-mail addresses.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

EMAIL = re.compile(r"""(?:"[^"@]*"|([^\s"'<>(),;:@])[^\s"<>(),;:@]*)@([^\s"'<>(),;:@]+)""")
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

LONGEST_CHAIN = 10


def masked(text: str) -> str:
    """Mask all e-mail addresses of a text: `jane.doe@example.com` becomes `j***@example.com`."""
    return EMAIL.sub(lambda found: f"{found[1] or ''}***@{found[2]}", text) if "@" in text else text


def masked_within(value: Any) -> Any:
    """Mask all texts of a JSON value.

    A text must be masked before it is written as JSON, in which an escape sequence could be read as a part of an
    address.
    """
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [masked_within(item) for item in value]
    if isinstance(value, dict):
        return {masked(key): masked_within(item) for key, item in value.items()}
    return value


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the `extra` fields of a record, and its error."""
    fields = {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
    if record.exc_info is not None and record.exc_info[1] is not None:
        fields["error"] = described(record.exc_info[1])
    return fields


class JsonFormatter(logging.Formatter):
    """Format a record and its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        text = json.dumps(line | extra_fields(record), default=str)
        return json.dumps(masked_within(json.loads(text))) if "@" in text else text


class TextFormatter(logging.Formatter):
    """Format a record as one line for people: the local time, the level, the message, and each field as name=value.

    A character that could control a terminal becomes a space.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = masked_within(json.loads(json.dumps(extra_fields(record), default=str)))
        shown = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items()]
        line = " ".join([time, f"{record.levelname:<7}", masked(record.getMessage()), *shown])
        return "".join(character if character.isprintable() else " " for character in line)


def described(error: BaseException) -> list[str]:
    """Return the types and source lines of an error and its causes, outermost first, at most LONGEST_CHAIN.

    The texts of the errors are omitted, because they may contain personal data.
    """
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(lines) < LONGEST_CHAIN:
        frames = traceback.extract_tb(cause.__traceback__)[-3:]
        places = ", ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        lines.append(f"{type(cause).__name__} at {places}")
        cause = cause.__cause__ or cause.__context__
    return lines


def dict_config(level: str = "INFO", format: str = "json") -> dict[str, Any]:
    """Return the configuration for logging.config.dictConfig and for gunicorn's logconfig_dict.

    `format` is json, text, or auto: text if standard error is a terminal.
    """
    if format == "auto":
        format = "text" if sys.stderr.isatty() else "json"
    ours = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "webhook_service.log.JsonFormatter"},
            "text": {"()": "webhook_service.log.TextFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": format}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "webhook_service": ours,
            "gunicorn.error": ours,
            "psycopg": ours | {"level": "ERROR"},  # its warnings repeat the text of an error
            # An access log is not needed, because each delivery already writes one line.
            "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
