"""`examine` counts the auth users who may sign in as admins, as the sign-in does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.auth_stand_in import Auth
from tests.employees import Connection, hire
from webhook_service.doctor import settings_checks
from webhook_service.doctor.findings import Finding, Level
from webhook_service.ports import Database
from webhook_service.settings import PageSettings, Role

pytestmark = pytest.mark.every_employees_table

EMAIL = "jane@example.com"
ADMIN = {"role": "sync_admin"}


def admins(database: Database) -> Finding:
    pages = PageSettings(roles=frozenset({("sync_admin", Role.ADMIN), ("hr", Role.HR)}))
    return settings_checks.admins(pages, database, has_auth=True)


def test_admins_are_counted(database: Database, auth: Auth) -> None:
    """The auth users with any of the roles are counted."""
    auth.admin_create(EMAIL, app_metadata=ADMIN)
    auth.admin_create("joe@example.com", app_metadata={"role": "hr"})
    auth.admin_create("ann@example.com", app_metadata={"role": "clerk"})
    assert admins(database).says.startswith("2 auth users with a role of ADMIN_ROLES may sign in: hr, sync_admin")


def test_admins_are_counted_by_role(database: Database, auth: Auth) -> None:
    """The finding has the number of each role. A user with a list of roles counts once in all, and in each role."""
    auth.admin_create(EMAIL, app_metadata=ADMIN)
    auth.admin_create("joe@example.com", app_metadata={"role": ["hr", "sync_admin", "clerk"]})
    auth.admin_create("ann@example.com", app_metadata={"role": "hr"})
    assert admins(database).says.startswith("3 auth users")
    assert "hr: 2; admin: 2" in admins(database).says


def test_nobody_who_can_sign_in_is_wrong(database: Database) -> None:
    """If the admin key does not sign in and no auth user has a role, nobody can sign in, which is wrong."""
    pages = PageSettings(roles=frozenset({("sync_admin", Role.ADMIN)}), key_sign_in=False)
    found = settings_checks.admins(pages, database, has_auth=True)
    assert (found.level, "sync_admin" in found.command) == (Level.WRONG, True)


def ban(auth: Auth, user: UUID) -> None:
    auth.ban(user, datetime.now(UTC) + timedelta(days=1))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(ban, id="banned"),
        pytest.param(Auth.soft_delete, id="deleted"),
        pytest.param(lambda auth, user: auth.users.update(user, email_confirmed_at=None), id="unconfirmed"),
        pytest.param(
            lambda auth, user: auth.users.merge(user, "raw_app_meta_data", {"role": {"hr": 1}}), id="an-object"
        ),
    ],
)
def test_a_user_who_cannot_sign_in_is_not_counted(
    database: Database, auth: Auth, change: Callable[[Auth, UUID], None]
) -> None:
    """A user who cannot sign in to the dashboard is not an admin, although the role is set."""
    change(auth, auth.admin_create(EMAIL, app_metadata=ADMIN))
    assert admins(database).level is Level.NOTE


def test_a_dismissed_admin_is_not_counted(database: Database, auth: Auth, connection: Connection) -> None:
    """An employee who was dismissed is not an admin, also before the ban."""
    user = auth.admin_create(EMAIL, app_metadata=ADMIN)
    hire(connection, EMAIL, auth_user_id=user, is_active=False)
    assert admins(database).level is Level.NOTE


def test_a_role_that_users_can_write_does_not_count(database: Database, auth: Auth) -> None:
    """A role in the user's own metadata makes nobody an admin."""
    auth.admin_create(EMAIL, user_metadata=ADMIN)
    assert admins(database).level is Level.NOTE


def test_the_sql_of_the_finding_makes_an_admin(database: Database, auth: Auth, connection: Connection) -> None:
    """The SQL to copy gives an auth user the role, and the user is counted."""
    auth.admin_create(EMAIL)
    connection.execute(admins(database).command.replace("YOUR-E-MAIL", EMAIL).encode())
    assert admins(database).says.startswith("1 auth user with")


def test_without_auth_users_nobody_is_counted(database: Database, connection: Connection) -> None:
    """A database without auth.users has no number of admins, and no error."""
    connection.execute("alter schema auth rename to hidden")
    assert admins(database).level is Level.OK
