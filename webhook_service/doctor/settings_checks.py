"""Checks the optional settings of the service: the admins, the public address and the notices."""

import json

from webhook_service.doctor.findings import Finding, note, ok, wrong
from webhook_service.ports import Database
from webhook_service.settings import NoticeSettings, PageSettings, Role
from webhook_service.wording.counts import counted

GIVE_ROLE = (
    """update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "ROLE"}' where email = 'YOUR-E-MAIL'"""
)


def admins(pages: PageSettings, database: Database | None, *, has_auth: bool) -> Finding:
    """Check which auth users may sign in to the dashboard, by role.

    The users are not counted if `database` is None. `has_auth` says whether the Auth Admin API is configured.
    """
    values = pages.values_by_role()
    if not values:
        todo = "give admins a role (docs/how-to/admins.md), and set it"
        return note("admins", "they share the admin key: no role may sign in", todo, "ADMIN_ROLES=sync_admin")
    roles = ", ".join(sorted({value for value, _ in pages.roles}))
    if not has_auth:
        todo = "set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"
        return note("admins", f"no role can sign in, because the Auth Admin API is not configured: {roles}", todo)
    count = database.call("auth_sync_admins_v2", p_roles=values) if database is not None else None
    if count is not None and count["all"] == 0:
        todo = "give an admin the role, in Supabase's SQL editor"
        first = next(iter(values.get(Role.ADMIN) or sorted(value for value, _ in pages.roles)))
        if not pages.key_sign_in:
            return wrong(
                "admins",
                f"nobody can sign in, because no auth user has a role of ADMIN_ROLES: {roles}",
                todo,
                giving(first),
            )
        says = f"they share the admin key, because no auth user has a role of ADMIN_ROLES: {roles}"
        return note("admins", says, todo, giving(first))
    facts = [f"auth users with a role of ADMIN_ROLES may sign in: {roles}"]
    if count is not None:
        one = "{count} auth user with a role of ADMIN_ROLES may sign in: {roles}"
        many = "{count} auth users with a role of ADMIN_ROLES may sign in: {roles}"
        facts = [counted(count["all"], one, many, roles=roles)]
        facts += [f"{role}: {count.get(role, 0):,}" for role in values]
    facts += ["a second factor is required"] if pages.require_second_factor else []
    facts += ["the admin key signs in too" if pages.key_sign_in else "the admin key does not sign in"]
    return ok("admins", "; ".join(facts))


def giving(role: str) -> str:
    """Return the SQL that gives an auth user the role."""
    return GIVE_ROLE.replace('"ROLE"', json.dumps(role).replace("'", "''"))


def public_url(url: str | None) -> Finding:
    """Check that PUBLIC_URL is set and begins with https://."""
    todo, command = "set the address of the service for browsers", "PUBLIC_URL=https://YOUR-HOST"
    if url is None:
        says = "it is not set: messages have no links, and the cookie of the dashboard is sent without TLS too"
        return note("public_url", says, todo, command)
    if not url.startswith("https:"):
        return note("public_url", "it is not https: the cookie of the dashboard is sent without TLS too", todo, command)
    return ok("public_url", "it is set, and begins with https://")


def notices(settings: NoticeSettings) -> Finding:
    """Check that notices have a destination."""
    if not settings.urls:
        todo = "set NOTIFY_URLS (docs/how-to/notifications.md), then test it"
        says = "no one is notified when something fails or waits"
        return note("notices", says, todo, "webhook-service notify --test")
    one, many = "they are sent to {count} destination", "they are sent to {count} destinations"
    return ok("notices", counted(len(settings.urls), one, many))
