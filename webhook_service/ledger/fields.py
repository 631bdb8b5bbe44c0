"""Strict marshmallow fields for requests. They accept only the documented forms."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import fields

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)

WORDS: Mapping[str, bool] = {"true": True, "false": False}


class Whole(fields.Integer):
    """A whole number, or in a query its digits. Rejects 1_000, and 5.9, which would become 5. Accepts 5.0 in JSON."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str):
            is_whole = WHOLE_NUMBER.fullmatch(value) is not None
        else:
            is_whole = isinstance(value, int | float) and value == value // 1
        if not is_whole:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Truth(fields.Boolean):
    """JSON's true or false. Rejects "off", 0 and "no", because their meaning is not certain."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Flag(Truth):
    """JSON's true or false, or in a query the words `true` and `false`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        return super()._deserialize(WORDS.get(value, value) if isinstance(value, str) else value, attr, data, **kwargs)


class Cursor(fields.Integer):
    """The start of the next page: the string of digits that a response contained."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not WHOLE_NUMBER.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)
