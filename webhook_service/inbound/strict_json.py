"""Reads only JSON that PostgreSQL can write and store. Errors never quote the body."""

import json
import math
import re
from typing import NoReturn

from webhook_service.errors import BadPayload
from webhook_service.events import Json

LONGEST_INTEGER = 4300
"""The largest number of digits that Python reads as an int. A number in jsonb may have more."""

UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def read_json(body: bytes) -> Json:
    """Parse a body. Raises BadPayload if PostgreSQL cannot have written the body."""
    try:
        data = STRICT.decode(body.decode("utf-8"))
        if UNSTORABLE_ESCAPE.search(body):
            _refuse_unstorable_text(data)
    except UnicodeDecodeError:
        raise BadPayload("not_utf8", "The body is not UTF-8.") from None
    except RecursionError:
        raise BadPayload("too_deep", "The body is nested too deeply.") from None
    except ValueError:
        raise BadPayload("not_json", "The body is not JSON.") from None
    return data


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadPayload("duplicate_key", "An object has the same key twice.")
    return result


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < LONGEST_INTEGER else math.inf  # no mapped value is that long


def _constant(name: str) -> NoReturn:
    raise BadPayload("not_json", "NaN and Infinity are not JSON.")


STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole_number)


def _refuse_unstorable_text(data: Json) -> None:
    """Refuse NUL and lone surrogates, which JSON allows, but a PostgreSQL text does not."""
    text = json.dumps(data, ensure_ascii=False)  # this escapes NUL, and makes a surrogate pair one character
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadPayload("unstorable_text", "A string holds half of a surrogate pair.") from None
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
        raise BadPayload("unstorable_text", "A string holds a NUL character.")
