"""What several pages share: the query of a list, and the record of who did what."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import g, request
from marshmallow import EXCLUDE, ValidationError

from webhook_service.events import Json
from webhook_service.ledger import audit
from webhook_service.ledger.queries import Filter, filter_json
from webhook_service.web import Wiring

PAGE = 50


class Query(Filter):
    """The filter of a list in a page's address: what is empty is not asked for, and what is unknown is passed over."""

    class Meta:
        unknown = EXCLUDE


def parse_filter(values: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, Any]]:
    """The filter, and what is wrong with it, by field."""
    given = {name: value.strip() for name, value in values.items() if value.strip()}
    given |= {name: in_utc(given[name]) for name in ("since", "until") if name in given}
    try:
        return filter_json(Query().load(given)), {}
    except ValidationError as error:
        good = error.valid_data if isinstance(error.valid_data, dict) else {}
        return filter_json(good), error.messages_dict


def in_utc(text: str) -> str:
    """A time as the ledger takes it: a form's is without a zone, and labelled UTC. What is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except ValueError:
        return text
    except OverflowError:
        return "beyond all times"


def cursor(name: str) -> int | None:
    """A place in a list; the beginning where it is none."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def record(wiring: Wiring, action: str, target: str | None = None, **details: Json) -> str:
    """Who does what, before it is done; their name."""
    who: str = g.admin.name
    audit.record(wiring.database, who, action, target, **details)
    return who
