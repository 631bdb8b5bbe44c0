"""Links in messages: signed, so that nobody makes one up, and good for a week."""

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
    """Which rows of the ledger a message was about: of this kind, from this id on."""

    kind: Kind
    since_id: int


class Signer(TimestampSigner):
    """Its time is a parameter."""

    def __init__(self, *arguments: Any, now: datetime, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now.timestamp())

    def timestamp_to_datetime(self, ts: int) -> datetime:
        return datetime.fromtimestamp(ts, UTC)


def failing_link(public_url: str, key: bytes, link: FailingLink, *, now: datetime) -> str:
    return f"{public_url}{PATH}/{_serializer(key, now).dumps([link.kind, link.since_id])}"


def read_link(token: str, key: bytes, *, now: datetime, max_age: timedelta = LIFETIME) -> FailingLink:
    """What a link's last part says. Raises ExpiredLink, or BadLink where it is not ours."""
    try:
        kind, since_id = _serializer(key, now).loads(token, max_age=int(max_age.total_seconds()))
        return FailingLink(Kind(kind), int(since_id))
    except SignatureExpired:
        raise ExpiredLink("expired_link", "The link is too old; the page it led to is still there.") from None
    except (BadData, ValueError, TypeError):
        raise BadLink("bad_link", "The link is not one of ours.") from None


def _serializer(key: bytes, now: datetime) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt="webhook-service failing", signer=Signer, signer_kwargs={"now": now})
