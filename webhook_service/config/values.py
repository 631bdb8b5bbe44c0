"""Reads single values of the environment."""

import re
from collections.abc import Mapping
from pathlib import Path

from webhook_service.errors import BadSetting


def value_of(environ: Mapping[str, str], name: str) -> str | None:
    """Return the stripped value of NAME, or the content of the file that NAME_FILE names, or None if both are empty."""
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
    """Return the value of a variable that must be set."""
    value = value_of(environ, name)
    if value is None:
        raise BadSetting(name, f"is not set (nor {name}_FILE)")
    return value


def switch(environ: Mapping[str, str], name: str, *, default: str) -> bool:
    """Return whether a variable is on."""
    text = (value_of(environ, name) or default).lower()
    if text not in ("on", "off", "true", "false", "1", "0"):
        raise BadSetting(name, "must be on or off")
    return text in ("on", "true", "1")


def whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the value of a variable that is an integer from 1 to 999999999."""
    text = value_of(environ, name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise BadSetting(name, "must be a whole number greater than 0")
    return int(text)


def words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the values of a variable, which spaces or commas separate, or () if it is not set."""
    text = value_of(environ, name)
    return tuple(word for word in re.split(r"[\s,]+", text) if word) if text is not None else ()
