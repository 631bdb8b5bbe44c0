"""The environment variables that the service reads, with their defaults and meanings.

`python -m docs.generate` writes docs/reference/settings.md from this list. Links are relative to that page.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable. `default` is the value that has the same effect as none, or a text in words, or ""."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "DATABASE_URL",
        "",
        "the URL of a direct PostgreSQL connection, `postgresql://...`. A pooler in transaction mode works. "
        "The service uses this connection instead of the Data API",
    ),
    Variable(
        "SUPABASE_URL",
        "",
        "the URL of your project, `https://....supabase.co`, for its Data API and its Auth Admin API",
    ),
    Variable(
        "SUPABASE_SERVICE_ROLE_KEY",
        "",
        "the `service_role` key or an `sb_secret_...` key",
    ),
    Variable(
        "SUPABASE_ALLOW_HTTP",
        "off",
        "`on` allows a `SUPABASE_URL` with `http://`, for a self-hosted Supabase in a private network. Every "
        "request carries the service role key. A URL of this machine needs no permission",
    ),
    Variable(
        "WEBHOOK_SECRETS",
        "",
        "one or several secrets `whsec_<base64 of 24 to 64 bytes>` (or `v1,whsec_...`), newest first, "
        "separated by space, comma or `|`. The service verifies with each secret and signs with the first",
    ),
    Variable(
        "ADMIN_API_KEY",
        "",
        "the key for the admin API and the dashboard, of at least 16 characters",
    ),
    Variable(
        "ADMIN_ROLES",
        "",
        "the values of `role` in `app_metadata` whose users may [sign in to the "
        "dashboard](../how-to/admins.md) with e-mail and password, and their "
        "[roles](../how-to/admins.md#roles): `VALUE=ROLE` pairs such as `hr_team=hr sync_admin=admin`, "
        "separated by space or comma. `viewer`, `hr`, `operator` and `admin` alone mean themselves, and any "
        "other single word means `admin`. If it is not set, admins sign in with the admin key only",
    ),
    Variable(
        "ADMIN_REQUIRE_SECOND_FACTOR",
        "off",
        "`on` refuses accounts without an authenticator app as [second factor](../how-to/admins.md#second-factor)",
    ),
    Variable(
        "ADMIN_KEY_SIGN_IN",
        "on",
        "`off` takes the admin key from the sign-in of the dashboard, so that each admin has an account. It "
        "needs `ADMIN_ROLES` and the Auth Admin API. The admin API keeps its key",
    ),
    Variable(
        "ADMIN_IDLE_MINUTES",
        "30",
        "minutes without a click after which an admin must sign in again",
    ),
    Variable(
        "SECRET_KEY",
        "derived from `ADMIN_API_KEY`",
        "the key that signs cookies and links, of at least 32 characters. Use the same key on all servers. A "
        "new key ends the sessions of all admins",
    ),
    Variable(
        "EMAIL_OWNER",
        "auth",
        "the side whose e-mail is the true one: `auth` or `employees`. With `employees`, Auth's e-mail is never copied",
    ),
    Variable(
        "NAME_FIELDS",
        "first_name=first_name last_name=last_name",
        "the key of `raw_user_meta_data` that is copied to each column, as `column=key`; `none` copies no "
        "names. `migrate` stores the setting for the trigger",
    ),
    Variable(
        "MASS_DEACTIVATION_LIMIT",
        "10%",
        "the number of logins that may be banned in an hour because employees were deactivated, before bans "
        "[wait for an admin](../explanation/accounts.md#mass-deactivations): a number, a share of the linked "
        "employees such as `10%` (at least 20 logins), or `off`. `migrate` stores the setting for the trigger",
    ),
    Variable(
        "LINK_UNPROVEN_EMAILS",
        "off",
        "`on` links auth users by e-mail even if Auth [confirms e-mails without "
        "proof](../explanation/decisions.md#unproven-e-mails). Any person who can sign up can then become any"
        " employee who has no login",
    ),
    Variable(
        "WEBHOOK_STATIC_TOKEN",
        "off",
        "`on` accepts deliveries that carry a token instead of a signature: [weaker](../how-to/send-events.md)",
    ),
    Variable(
        "AUTH_RATE",
        "5",
        "actions a second that all relays together perform through the Auth Admin API, with up to three calls each",
    ),
    Variable(
        "AUTH_ADMIN",
        "`supabase` if `SUPABASE_URL` is set, else `off`",
        "`supabase` performs actions through the Auth Admin API. `off` records changes of employees but "
        "changes nothing in Auth. `local` uses the stand-in for Auth in the embedded PostgreSQL",
    ),
    Variable(
        "RELAY",
        "on",
        "with `off`, the web processes run no relay; run `webhook-service relay` as a separate process",
    ),
    Variable(
        "RECONCILE_AT",
        "02:30",
        "the time of the day, in UTC, at which a relay [reconciles](../how-to/reconcile.md); `off` for never",
    ),
    Variable(
        "SCIM_ATTRIBUTES",
        "",
        "more columns of `employees` that directories write by SCIM, as `attribute=column` pairs, such as "
        "`department=department title=job_title`, separated by space or comma. The attributes are `department`, "
        "`division`, `costCenter` and `organization` of the enterprise extension, and `title`, `userType`, `nickName`, "
        "`preferredLanguage`, `locale` and `timezone` of the user",
    ),
    Variable(
        "SCIM_DELETE",
        "keep",
        "`keep` deactivates the employee when a directory deletes a person, and keeps the row; `remove` deletes it",
    ),
    Variable(
        "SCIM_CREATE_LOGINS",
        "none",
        "the login of a person that a directory adds: `none` (the person signs up, or signs in by SSO), `invite` (Auth "
        "mails an invitation), or `create` (a login with a random password that nobody knows)",
    ),
    Variable(
        "SCIM_RATE",
        "1200",
        "the requests a minute that the service accepts from each directory. Each operation of a bulk request counts",
    ),
    Variable(
        "NOTIFY_URLS",
        "",
        "destinations of [notifications](../how-to/notifications.md), as apprise URLs, separated by space or comma",
    ),
    Variable(
        "NOTIFY_BACKLOG_MINUTES",
        "15",
        "the minutes that an event or action may wait before the service notifies admins",
    ),
    Variable(
        "NOTIFY_SILENCE_HOURS",
        "",
        "the hours without an event after which the service notifies admins. If it is not set, the service "
        "does not notify them",
    ),
    Variable(
        "EVENT_PRIVATE_ADDRESSES",
        "off",
        "`on` allows [subscribers](../how-to/receive-events.md) whose URL leads to a private address or begins with "
        "`http://`, if they were created with `--allow-private`. With `off`, the service "
        "connects to public addresses only",
    ),
    Variable(
        "PUBLIC_URL",
        "",
        "the address of the service for browsers, `https://...`. Links in messages begin with it, and it "
        "makes cookies secure",
    ),
    Variable(
        "DOCS_URL",
        "",
        "the address of the folder `docs` in your copy of the repository, for example "
        "`https://github.com/YOU/webhook-service/tree/main/docs`. Pages link to it, and messages to its runbook",
    ),
    Variable(
        "INSTANCE_NAME",
        "",
        "a name for the titles of pages and messages, for example `staging`",
    ),
    Variable(
        "MAX_BODY_BYTES",
        "1000000",
        "the size above which the service refuses a body",
    ),
    Variable(
        "HOST",
        "0.0.0.0",  # noqa: S104
        "the address to listen on; an IPv6 address with or without brackets (`::`, `[::1]`). With the "
        "embedded PostgreSQL, the default is `127.0.0.1`",
    ),
    Variable(
        "PORT",
        "8000",
        "the port to listen on",
    ),
    Variable(
        "WEB_CONCURRENCY",
        "2",
        "worker processes",
    ),
    Variable(
        "AUDIT_RETENTION_DAYS",
        "730",
        "how many days [`prune`](../how-to/retention.md) keeps the entries of the audit",
    ),
    Variable(
        "LOG_LEVEL",
        "INFO",
        "the lowest level of logged messages",
    ),
    Variable(
        "LOG_FORMAT",
        "auto",
        "`json`, `text`, or `auto`: lines for people if standard error is a terminal, JSON elsewhere",
    ),
)
"""Each of them can also be set as NAME_FILE, the path of a file."""

OF_GUNICORN = (
    Variable(
        "FORWARDED_ALLOW_IPS",
        "127.0.0.1",
        "addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted, "
        "separated by commas (a setting of gunicorn)",
    ),
)
"""Variables that gunicorn reads."""
