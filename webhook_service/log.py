"""Logs: one line of JSON each, on standard error. No secret, no signature, no body, and e-mail addresses masked."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

EMAIL = re.compile(r"""(?:"[^"@]*"|([^\s"'<>(),;:@])[^\s"<>(),;:@]*)@([^\s"'<>(),;:@]+)""")
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

LONGEST_CHAIN = 10


def masked(text: str) -> str:
    """`jane.doe@example.com` -> `j***@example.com`."""
    return EMAIL.sub(lambda found: f"{found[1] or ''}***@{found[2]}", text) if "@" in text else text


def masked_within(value: Any) -> Any:
    """Masked before it is written as JSON: afterwards, an escape could be taken for a letter of the address."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [masked_within(item) for item in value]
    if isinstance(value, dict):
        return {masked(key): masked_within(item) for key, item in value.items()}
    return value


class JsonFormatter(logging.Formatter):
    """A record and its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["error"] = described(record.exc_info[1])
        text = json.dumps(line, default=str)
        return json.dumps(masked_within(json.loads(text))) if "@" in text else text


def described(error: BaseException) -> list[str]:
    """Where an error and its causes come from: types and places. Their texts may hold personal data; left out."""
    lines: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(lines) < LONGEST_CHAIN:
        frames = traceback.extract_tb(cause.__traceback__)[-3:]
        places = ", ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        lines.append(f"{type(cause).__name__} at {places}")
        cause = cause.__cause__ or cause.__context__
    return lines


def dict_config(level: str = "INFO") -> dict[str, Any]:
    """For logging.config.dictConfig, and for gunicorn's logconfig_dict."""
    ours = {"handlers": ["stderr"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "webhook_service.log.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "webhook_service": ours,
            "gunicorn.error": ours,
            "psycopg": ours | {"level": "ERROR"},  # its warnings repeat the text of an error
            # No access log: it would say the same again.
            "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
