"""Fields of requests that take what is documented and nothing that merely looks like it."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import fields

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)

WORDS: Mapping[str, bool] = {"true": True, "false": False}


class Whole(fields.Integer):
    """A whole number; in a query, its digits. Not 5.9, which would become 5, nor 1_000. (5.0 is whole in JSON.)"""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str):
            is_whole = WHOLE_NUMBER.fullmatch(value) is not None
        else:
            is_whole = isinstance(value, int | float) and value == value // 1
        if not is_whole:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Truth(fields.Boolean):
    """JSON's true or false. Not "off", 0 or "no": whoever sends these may mean something else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Flag(Truth):
    """The same; in a query, the words."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        return super()._deserialize(WORDS.get(value, value) if isinstance(value, str) else value, attr, data, **kwargs)


class Cursor(fields.Integer):
    """Where to go on: what an answer said, which is a string of digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not WHOLE_NUMBER.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)
