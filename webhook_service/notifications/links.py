"""Links in notices. A link is signed, so that it cannot be forged, and is valid for a week."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from webhook_service.errors import BadLink, ExpiredLink
from webhook_service.notifications.decide import Kind

PATH = "/admin/failing"
LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FailingLink:
    """The subject of a notice: the rows of the ledger of this kind, from this id on."""

    kind: Kind
    since_id: int


class Signer(TimestampSigner):
    """A signer that receives the current time as a parameter."""

    def __init__(self, *arguments: Any, now: datetime, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.timestamp())

    def timestamp_to_datetime(self, ts: int) -> datetime:
        return datetime.fromtimestamp(ts, UTC)


def failing_link(public_url: str, key: bytes, link: FailingLink, *, now: datetime) -> str:
    """Return the signed URL of a link, which is valid for LIFETIME from `now`."""
    return f"{public_url}{PATH}/{_serializer(key, now).dumps([link.kind, link.since_id])}"


def read_link(token: str, key: bytes, *, now: datetime, max_age: timedelta = LIFETIME) -> FailingLink:
    """Read the last part of a link's path. Raises ExpiredLink, or BadLink if this key did not sign it."""
    try:
        kind, since_id = _serializer(key, now).loads(token, max_age=int(max_age.total_seconds()))
        return FailingLink(Kind(kind), int(since_id))
    except SignatureExpired:
        raise ExpiredLink("expired_link", "The link has expired; the page that it led to still exists.") from None
    except (BadData, ValueError, TypeError):
        raise BadLink("bad_link", "This service did not make the link.") from None


def _serializer(key: bytes, now: datetime) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt="webhook-service failing", signer=Signer, signer_kwargs={"now": now})
