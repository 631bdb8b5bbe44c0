"""The settings, as the application takes them."""

import hashlib
from dataclasses import dataclass, field

from webhook_service.inbound.signature import Secret
from webhook_service.policy import Policy

DEFAULT_MAX_BODY_BYTES = 1_000_000
DEFAULT_AUTH_RATE = 5
DEFAULT_IDLE_MINUTES = 30
DEFAULT_BACKLOG_MINUTES = 15


@dataclass(frozen=True, slots=True)
class DirectConnection:
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SupabaseConnection:
    url: str
    service_role_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Of the dashboard. `roles`: who of Supabase Auth may sign in, by `role` in app_metadata; none: the admin key only.
    `public_url` is where browsers find the service, for links in messages.
    """

    secret_key: str = field(default="", repr=False)
    roles: frozenset[str] = frozenset()
    idle_minutes: int = DEFAULT_IDLE_MINUTES
    public_url: str | None = None

    def signing_key(self, admin_api_key: str) -> bytes:
        """What cookies and links are signed with: SECRET_KEY, or else a key made of the admin key, slowly, so that no
        cookie helps to guess it.
        """
        if self.secret_key:
            return self.secret_key.encode()
        return hashlib.scrypt(admin_api_key.encode(), salt=b"webhook-service pages", n=2**14, r=8, p=1, dklen=32)


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """Whom to tell when something is wrong: apprise's URLs, which hold passwords; and from when on it is. Silence is
    watched where a number of hours is given.
    """

    urls: tuple[str, ...] = field(default=(), repr=False)
    backlog_minutes: int = DEFAULT_BACKLOG_MINUTES
    silence_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the application needs. `auth` is how to reach the Auth Admin API, or its stand-in in a database of ours;
    None: not at all. `auth_rate` is how many actions a second all relays together may perform.
    """

    connection: DirectConnection | SupabaseConnection
    webhook_secrets: tuple[Secret, ...]
    admin_api_key: str = field(repr=False)
    static_token: bool = False
    relay: bool = True
    auth: SupabaseConnection | DirectConnection | None = None
    auth_rate: int = DEFAULT_AUTH_RATE
    policy: Policy = Policy()
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    pages: PageSettings = PageSettings()
    notices: NoticeSettings = NoticeSettings()


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What gunicorn needs."""

    host: str
    port: int
    workers: int
    log_level: str
