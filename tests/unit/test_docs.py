"""docs/reference/ follows from the code."""

import re

import pytest

from docs.generate import PARTS, REFERENCE, generated, sql
from webhook_service import config
from webhook_service.db import schema
from webhook_service.config.variables import VARIABLES

NEEDED = {
    "SUPABASE_URL": "https://example.supabase.co",
    "SUPABASE_SERVICE_ROLE_KEY": "key",
    "WEBHOOK_SECRETS": "whsec_" + "A" * 32,
    "ADMIN_API_KEY": "a" * 16,
}
DEFAULTS = {each.name: each.default for each in VARIABLES if each.default and "`" not in each.default}


@pytest.mark.parametrize("page", PARTS)
def test_a_generated_page_is_up_to_date(page: str) -> None:
    """The committed page is what `python -m docs.generate` writes."""
    assert (REFERENCE / page).read_text("utf-8") == generated(page)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_documented_default_is_the_default(name: str) -> None:
    """A variable with its documented default has the same effect as a variable that is not set."""

    def read(environ: dict[str, str]) -> object:
        return config.load(environ), config.load_server(environ), config.audit_retention(environ)

    assert read(NEEDED | {name: DEFAULTS[name]}) == read(NEEDED)


def test_each_sql_object_has_a_sentence() -> None:
    """A comment above each SQL function and view describes it."""
    named = [each for found in sql.functions().values() for each in found] + sql.views()
    installed = re.findall(r"(?m)^create or replace (?:function|view) public\.(\w+)", schema.functions().sql)
    assert sorted(name for name, _ in named) == sorted(installed)
    assert [name for name, says in named if not says] == []
