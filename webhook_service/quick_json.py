"""JSON as the hot path tells what has happened: by orjson; what that does not take, Python writes.

Not for the database: orjson makes null of an infinite number (1e400 in a body), which PostgreSQL is to refuse.
"""

import json
from collections.abc import Callable
from typing import Any

import orjson


def write_json(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """In UTF-8. `default` stands in for a value that JSON has no form of. Raises TypeError where there is none.

    An integer of more than 64 bits, half of a surrogate pair and a key that is no text are what orjson does not take.
    """
    try:
        return orjson.dumps(value, default)
    except TypeError:
        return json.dumps(value, default=default).encode()
