"""Logs: one line of JSON each, on standard error. No secret, no signature, no body, and e-mail addresses masked."""

import json
import logging
import os
import re
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from webhook_service.quick_json import write_json

EMAIL = re.compile(r"""(?:"[^"@]*"|([^\s"'<>(),;:@])[^\s"<>(),;:@]*)@([^\s"'<>(),;:@]+)""")
ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

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


class Record(logging.LogRecord):
    """A record without what no line of ours tells: in which file it was logged, in which thread, how long after the
    start. The process is for gunicorn's own formats.
    """

    def __init__(
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name
        self.levelno = level
        self.levelname = logging.getLevelName(level)
        self.msg = msg
        self.args = args[0] if len(args) == 1 and args[0] and isinstance(args[0], Mapping) else args  # "%(name)s"
        self.exc_info = exc_info
        self.exc_text = None
        self.stack_info = sinfo
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.process = os.getpid()


def take_lean_records() -> None:
    """For a server: a record is made for each delivery. Nobody looks for its caller, as logging's manual advises."""
    logging.setLogRecordFactory(Record)
    logging._srcfile = None


class JsonFormatter(logging.Formatter):
    """A record and its `extra` fields as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in ORDINARY}
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["error"] = described(record.exc_info[1])
        text = write_json(line, str)
        if b"@" in text:
            text = write_json(masked_within(json.loads(text)))
        return text.decode()


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
            # No access log: it would say the same again.
            "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
