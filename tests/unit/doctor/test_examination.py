"""`examine` returns all findings, even if one of its checks raises an error."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from webhook_service.db.sqlstate import error_for
from webhook_service.db.supabase import error_for_status, translated
from webhook_service.doctor.examination import examine
from webhook_service.doctor.findings import Level
from webhook_service.errors import AuthRefused, DatabaseError, ServiceError, Unavailable
from webhook_service.policy import Policy
from webhook_service.ports import AuthAdmin, Database
from webhook_service.settings import NoticeSettings, PageSettings

SETTINGS = dict.fromkeys(("admins", "public_url", "notices"), Level.NOTE)
"""The findings of the default settings."""


class Failing:
    """A database or an Auth Admin API whose every call raises `error`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def call(self, function: str, **params: Any) -> Any:
        raise self._error

    def get(self, auth_user_id: object) -> Any:
        raise self._error


def levels(database: Exception, admin: Exception) -> dict[str, Level]:
    findings = examine(
        cast(Database, Failing(database)),
        Policy(),
        (),
        now=lambda: datetime.now(UTC),
        compare=True,
        admin=cast(AuthAdmin, Failing(admin)),
        pages=PageSettings(),
        notices=NoticeSettings(),
    )
    assert [finding for finding in findings if finding.level is not Level.OK and not finding.todo] == []
    return {finding.check: finding.level for finding in findings}


@pytest.mark.parametrize(
    ("error", "level"),
    [(Unavailable("database_unreachable", "x"), Level.UNKNOWN), (DatabaseError("database_error", "x"), Level.WRONG)],
)
def test_the_other_checks_are_made(error: ServiceError, level: Level) -> None:
    """Without a database, Auth and the settings are checked. An outage is `unknown`, and a refusal is `wrong`."""
    found = levels(error, AuthRefused("auth_refused", "x"))
    assert found == {"database": level, "auth": Level.WRONG, **SETTINGS}


def test_an_unforeseen_error_is_a_finding() -> None:
    """An unforeseen error ends only the check that raises it."""
    found = levels(Unavailable("database_unreachable", "x"), RuntimeError("s3cret"))
    assert found["auth"] is Level.UNKNOWN


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("PGRST106", "does not expose the schema public"),
        ("PGRST301", "has expired, or belongs to another project"),
        ("PGRST302", "without a key"),
        ("PGRST303", "has expired"),
        ("42501", "publishable or anon key"),
        ("25006", "read-only: its disk is full"),
        ("42703", "column is missing or has another name"),
    ],
)
def test_a_code_of_the_data_api_has_words(code: str, words: str) -> None:
    """Each common code of the Data API is explained."""
    assert words in translated(code).detail


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not accept SUPABASE_SERVICE_ROLE_KEY"), (404, "SUPABASE_URL")]
)
def test_a_status_of_a_gateway_has_words(status: int, words: str) -> None:
    """A response of a gateway without a code is explained by its status."""
    assert words in error_for_status(status).detail


@pytest.mark.parametrize(("sqlstate", "words"), [("28P01", "password"), ("25006", "disk is full"), ("53100", "disk")])
def test_a_code_of_the_database_has_words(sqlstate: str, words: str) -> None:
    """Each common SQLSTATE of a direct connection is explained."""
    assert words in error_for(sqlstate).detail
