"""What the environment says: the only reader of it. One value at a time; `config` knows what they mean."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from webhook_service.errors import BadSetting


def read_environment() -> dict[str, str]:
    """The environment as it is now."""
    return dict(os.environ)


def value_of(environ: Mapping[str, str], name: str) -> str | None:
    """The value of NAME, or the content of the file that NAME_FILE names; None where neither is set."""
    value, file = environ.get(name, "").strip(), environ.get(f"{name}_FILE", "").strip()
    if value and file:
        raise BadSetting(name, f"and {name}_FILE are both set; keep one")
    if file:
        try:
            return Path(file).read_text("utf-8").strip() or None
        except (OSError, ValueError) as error:
            raise BadSetting(f"{name}_FILE", f"names a file that cannot be read ({type(error).__name__})") from error
    return value or None


def required(environ: Mapping[str, str], name: str) -> str:
    value = value_of(environ, name)
    if value is None:
        raise BadSetting(name, f"is not set (nor {name}_FILE)")
    return value


def switch(environ: Mapping[str, str], name: str, *, default: str) -> bool:
    text = (value_of(environ, name) or default).lower()
    if text not in ("on", "off", "true", "false", "1", "0"):
        raise BadSetting(name, "must be on or off")
    return text in ("on", "true", "1")


def whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = value_of(environ, name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise BadSetting(name, "must be a whole number over 0")
    return int(text)


def words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Several values, separated by space or comma; () where it is not set."""
    text = value_of(environ, name)
    return tuple(word for word in re.split(r"[\s,]+", text) if word) if text is not None else ()
