"""docs/reference/tables.md names the objects of the database."""

import re
from pathlib import Path

import pytest

from tests.docs_commands import blocks
from tests.integration.migrating import execute, rows

DOCS = Path(__file__).parents[3] / "docs"
TABLES = """
select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') order by 1
"""
TRIGGERS = "select distinct tgname::text from pg_trigger where tgname ~ '^auth_sync_' and not tgisinternal order by 1"


def documented(page: str) -> set[str]:
    return set(re.findall(r"\b\w+\b", (DOCS / page).read_text("utf-8")))


def test_each_table_and_view_is_documented(database_url: str) -> None:
    """The reference names each table and view of an installed database."""
    names = [name for (name,) in rows(database_url, TABLES)]
    assert [name for name in names if name not in documented("reference/tables.md")] == []


def test_each_trigger_is_documented(database_url: str) -> None:
    """The reference names each trigger of an installed database."""
    names = [name for (name,) in rows(database_url, TRIGGERS)]
    assert len(names) == 11
    assert [name for name in names if name not in documented("reference/tables.md")] == []


@pytest.mark.parametrize("page", ["reference/tables.md", "how-to/protect-logins.md"])
def test_the_queries_of_a_page_succeed(database_url: str, page: str) -> None:
    """An installed database accepts each statement of the page."""
    statements = [block.code for block in blocks(DOCS / page) if block.language == "sql"]
    assert statements != []
    for each in statements:
        execute(database_url, each)
