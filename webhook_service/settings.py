"""The settings of the application, which `config` reads."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from functools import cache

from webhook_service.inbound.signature import Secret
from webhook_service.policy import Policy

DEFAULT_MAX_BODY_BYTES = 1_000_000
DEFAULT_AUTH_RATE = 5
DEFAULT_IDLE_MINUTES = 30
DEFAULT_BACKLOG_MINUTES = 15
DEFAULT_RECONCILE_AT = time(2, 30)
DEFAULT_SCIM_RATE = 1200


@dataclass(frozen=True, slots=True)
class DirectConnection:
    """A PostgreSQL connection URL (`postgresql://...`)."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SupabaseConnection:
    """The URL of a Supabase project, and its service role key."""

    url: str
    service_role_key: str = field(repr=False)


def project_of(*connections: DirectConnection | SupabaseConnection | None) -> SupabaseConnection | None:
    """Return the first connection to a Supabase project, or None."""
    return next((each for each in connections if isinstance(each, SupabaseConnection)), None)


class Role(StrEnum):
    """A role of an admin of the dashboard. `web.pages.roles` says what each role may do."""

    VIEWER = "viewer"
    HR = "hr"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The settings of the dashboard.

    `roles` has pairs of a value of `role` in app_metadata and the role that it gives. If `roles` is empty, admins can
    sign in only with the admin key. `key_sign_in` says whether the admin key signs in. An account without a second
    factor may not sign in if `require_second_factor` is set. An admin who is idle for `idle_minutes` is signed out.
    `public_url` is the address of the service for browsers and for links in messages, and `docs_url` is the address of
    the documentation. The titles of pages and messages have the `instance_name`.
    """

    secret_key: str = field(default="", repr=False)
    roles: frozenset[tuple[str, Role]] = frozenset()
    idle_minutes: int = DEFAULT_IDLE_MINUTES
    public_url: str | None = None
    docs_url: str | None = None
    instance_name: str = ""
    key_sign_in: bool = True
    require_second_factor: bool = False

    def roles_of(self, values: Iterable[str]) -> frozenset[Role]:
        """Return the roles that these values of app_metadata give."""
        given = frozenset(values)
        return frozenset(role for value, role in self.roles if value in given)

    def values_by_role(self) -> dict[Role, list[str]]:
        """Return the values of app_metadata that give each role, for roles with at least one value."""
        found = {role: sorted(value for value, given in self.roles if given is role) for role in Role}
        return {role: values for role, values in found.items() if values}

    def signing_key(self, admin_api_key: str) -> bytes:
        """Return the key that signs cookies and links: SECRET_KEY, or a key derived from the admin key."""
        return self.secret_key.encode() if self.secret_key else derived_key(admin_api_key)


@cache
def derived_key(admin_api_key: str) -> bytes:
    """Return a key for signatures. The derivation (scrypt) is slow, so that a cookie does not help to guess the key."""
    return hashlib.scrypt(admin_api_key.encode(), salt=b"webhook-service pages", n=2**14, r=8, p=1, dklen=32)


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """The settings of notices.

    `urls` are apprise's URLs of the destinations, which hold passwords. A backlog is reported after `backlog_minutes`,
    and silence after `silence_hours`. If `silence_hours` is None, silence is not reported.
    """

    urls: tuple[str, ...] = field(default=(), repr=False)
    backlog_minutes: int = DEFAULT_BACKLOG_MINUTES
    silence_hours: int | None = None


class NewLogins(StrEnum):
    """The login that a person gets who is added by SCIM."""

    NONE = "none"
    INVITE = "invite"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class ScimSettings:
    """The settings of SCIM.

    `attributes` is {attribute of SCIM: column of employees}, for the columns that not every installation has. With
    `removes`, a deleted person is also deleted from employees. `rate` is the requests a minute of each directory.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)
    removes: bool = False
    new_logins: NewLogins = NewLogins.NONE
    rate: int = DEFAULT_SCIM_RATE


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the application.

    `auth` is the connection to the Auth Admin API, or to its stand-in in a PostgreSQL database. If it is None, no
    actions are performed. `auth_rate` is the number of actions per second that all relays together may perform.
    `static_token` says whether deliveries with a token instead of a signature are accepted. `relay` says whether each
    web process runs a relay. Relays reconcile daily at `reconcile_at` (UTC), or never if it is None.
    `event_private_addresses` says whether subscribers may be at private addresses.
    """

    connection: DirectConnection | SupabaseConnection
    webhook_secrets: tuple[Secret, ...]
    admin_api_key: str = field(repr=False)
    static_token: bool = False
    relay: bool = True
    reconcile_at: time | None = DEFAULT_RECONCILE_AT
    auth: SupabaseConnection | DirectConnection | None = None
    auth_rate: int = DEFAULT_AUTH_RATE
    policy: Policy = Policy()
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    pages: PageSettings = PageSettings()
    notices: NoticeSettings = NoticeSettings()
    scim: ScimSettings = ScimSettings()
    event_private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of gunicorn. An IPv6 `host` is in brackets."""

    host: str
    port: int
    workers: int
    log_level: str
    log_format: str
