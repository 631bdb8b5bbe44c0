"""The permissions of each role in the dashboard, and the permission that each endpoint of the dashboard needs.

A new endpoint needs an entry in ENDPOINTS. Without an entry, only the role `admin` may use it.
"""

from collections.abc import Iterable
from enum import StrEnum

from flask import g

from webhook_service.errors import NotAllowed
from webhook_service.settings import Role


class Permission(StrEnum):
    """A permission of an admin.

    READ shows the pages. COMPARE compares all employees with their logins, which changes neither. EDIT changes
    employees and their logins. OPERATE repairs the sync, and decides about held bans. ADMINISTER is everything else.
    """

    READ = "read"
    COMPARE = "compare"
    EDIT = "edit"
    OPERATE = "operate"
    ADMINISTER = "administer"


READ, COMPARE, EDIT, OPERATE = Permission.READ, Permission.COMPARE, Permission.EDIT, Permission.OPERATE
ADMINISTER = Permission.ADMINISTER

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({READ}),
    Role.HR: frozenset({READ, COMPARE, EDIT}),
    Role.OPERATOR: frozenset({READ, COMPARE, OPERATE}),
    Role.ADMIN: frozenset(Permission),
}
"""HR does not decide about held bans. An unusual number of deactivations holds them, which may be a mistake of HR."""

ENDPOINTS: dict[str, Permission] = {
    "audit.page": READ,
    "chosen_events.perform": OPERATE,
    "chosen_events.preview": OPERATE,
    "chosen_events.start": OPERATE,
    "chosen_people.perform": EDIT,
    "chosen_people.preview": EDIT,
    "chosen_people.start": EDIT,
    "comparison.compare": COMPARE,
    "comparison.page": READ,
    "credentials.invite": EDIT,
    "credentials.set_password": EDIT,
    "directories.create": ADMINISTER,
    "directories.page": READ,
    "directories.revoke": ADMINISTER,
    "edit.page": EDIT,
    "edit.save": EDIT,
    "employee_import.apply": EDIT,
    "employee_import.discard": EDIT,
    "employee_import.page": EDIT,
    "employee_import.preview": EDIT,
    "employee_import.upload": EDIT,
    "events.dismiss": OPERATE,
    "events.drop_change": OPERATE,
    "events.event": READ,
    "events.failing": READ,
    "events.page": READ,
    "events.replay_event": OPERATE,
    "exports.audit_file": READ,
    "exports.employees_file": READ,
    "exports.events_file": READ,
    "held.discard": OPERATE,
    "held.release": OPERATE,
    "inbox.page": READ,
    "new_employee.create": EDIT,
    "new_employee.page": EDIT,
    "overview.page": READ,
    "people.confirm_login": EDIT,
    "people.create_login": EDIT,
    "people.give_login": EDIT,
    "people.move_login": EDIT,
    "people.page": READ,
    "people.person": READ,
    "people.release": EDIT,
    "people.switch": EDIT,
    "people.unlink": EDIT,
    "replays.begin": OPERATE,
    "replays.cancel": OPERATE,
    "replays.job": READ,
    "replays.new": OPERATE,
    "replays.page": READ,
    "setup.page": READ,
    "subscribers.create": ADMINISTER,
    "subscribers.page": READ,
    "subscribers.remove": ADMINISTER,
    "subscribers.replay": OPERATE,
    "subscribers.rotate": ADMINISTER,
    "subscribers.subscriber": READ,
    "subscribers.switch": ADMINISTER,
    "subscribers.test": OPERATE,
    "suggestions.people": READ,
}
"""The permission that each endpoint behind the sign-in needs."""

REFUSAL = "This needs one of these roles: {able}. You have: {yours}. Ask an admin who has one of them to do it."


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return the permissions of all these roles together."""
    return frozenset[Permission]().union(*(PERMISSIONS[role] for role in roles))


def needed_for(endpoint: str | None) -> Permission:
    """Return the permission that an endpoint needs."""
    return ENDPOINTS.get(endpoint or "", Permission.ADMINISTER)


def may(permission: str) -> bool:
    """Return whether the signed-in admin has the permission, such as `edit`. Templates call it."""
    return "admin" in g and Permission(permission) in permissions_of(g.admin.roles)


def may_use(endpoint: str) -> bool:
    """Return whether the signed-in admin may use the endpoint, such as `people.switch`. Templates call it."""
    return may(needed_for(endpoint))


def refusal(roles: Iterable[Role], permission: Permission) -> NotAllowed:
    """Return the error for an admin with these roles, which names the roles that have the permission."""
    able = [role for role, permissions in PERMISSIONS.items() if permission in permissions]
    yours = ", ".join(role for role in Role if role in frozenset(roles))
    return NotAllowed("not_allowed", REFUSAL.format(able=", ".join(able), yours=yours))
