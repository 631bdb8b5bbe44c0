"""Differences between auth.users, the last known state and employees, with the cause and the result of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tests.auth_stand_in import Auth
from tests.auth_traffic import EPOCH
from tests.employees import Connection
from tests.integration.captured import nothing_captured, nothing_linked, relay_all
from webhook_service.ports import Database

MAIL = "jane@example.com"


@dataclass(frozen=True, slots=True)
class World:
    """A database in which Jane is an employee."""

    connection: Connection
    database: Database
    auth: Auth
    jane: int

    def known(self, email: str = MAIL) -> UUID:
        """Create an auth user, and apply the event of its sign-up."""
        user = self.auth.admin_create(email, user_metadata={"first_name": "Jane"})
        relay_all(self.database)
        return user

    def edit(self, statement: str, *parameters: object) -> None:
        """Change employees with all triggers disabled."""
        with nothing_linked(self.connection):
            self.connection.execute(statement.encode(), parameters)


def lost_sign_up(world: World) -> UUID:
    with nothing_captured(world.connection):
        return world.auth.admin_create(MAIL)


def lost(act: Callable[[Auth, UUID], object]) -> Callable[[World], UUID]:
    """Return a function that creates a known user, and then changes it without capture."""

    def arrange(world: World) -> UUID:
        user = world.known()
        with nothing_captured(world.connection):
            act(world.auth, user)
        return user

    return arrange


def missing_link(world: World) -> UUID:
    world.edit("update employees set email = 'typo@example.com'")
    user = world.known()
    world.edit("update employees set email = %s", MAIL)
    return user


def missing_link_by_number(world: World) -> UUID:
    user = world.auth.admin_create("other@example.com", app_metadata={"employee_number": "7"})
    relay_all(world.database)
    world.edit("update employees set employee_number = '7', email = 'other@example.com'")
    return user


def link_to_unknown(world: World) -> UUID:
    user = uuid4()
    world.edit("update employees set auth_user_id = %s", user)
    return user


def link_to(delete: Callable[[Auth, UUID], object]) -> Callable[[World], UUID]:
    """Return a function that links Jane to an auth user that is known to be deleted, as HR would."""

    def arrange(world: World) -> UUID:
        user = world.known("gone@example.com")
        delete(world.auth, user)
        relay_all(world.database)
        world.edit("update employees set auth_user_id = %s", user)
        return user

    return arrange


def stale_email(world: World) -> UUID:
    user = world.known()
    world.edit("update employees set email = 'hand@example.com'")
    return user


LINKED = {"linked": True}
ORPHANED = {"linked": False, "orphaned": True, "email": MAIL}
DIFFERENCES: dict[str, tuple[Callable[[World], UUID], str, dict[str, Any]]] = {
    "a sign-up was lost": (lost_sign_up, "unknown", LINKED),
    "an employee was missed": (missing_link, "missing_link", LINKED | {"email": MAIL, "first_name": "Jane"}),
    "a number was missed": (missing_link_by_number, "missing_link", LINKED),
    "linked to an unknown user": (link_to_unknown, "orphan", ORPHANED),
    "linked to a deleted user": (link_to(Auth.hard_delete), "orphan", ORPHANED),
    "linked to a soft-deleted user": (link_to(Auth.soft_delete), "orphan", ORPHANED),
    "a hard delete was lost": (lost(Auth.hard_delete), "deleted", ORPHANED),
    "a soft delete was lost": (lost(Auth.soft_delete), "deleted", ORPHANED),
    "an e-mail change was lost": (
        lost(lambda auth, user: auth.change_email(user, "new@example.com")),
        "email",
        LINKED | {"email": "new@example.com"},
    ),
    "the e-mail was changed by hand": (stale_email, "stale_email", LINKED | {"email": MAIL}),
    "a ban was lost": (lost(lambda auth, user: auth.ban(user, EPOCH)), "ban", LINKED | {"banned_until": EPOCH}),
    "a name was lost": (
        lost(lambda auth, user: auth.update_metadata(user, {"first_name": "Ann"})),
        "changed",
        LINKED | {"first_name": "Ann"},
    ),
}
"""{name: (function that causes the difference, kind that reconcile reports, Jane's columns after the run)}."""
