"""docs/reference/ follows from the code, and the pages of docs/ are complete."""

import re
from pathlib import Path

import pytest

from docs.generate import PARTS, REFERENCE, generated, sql
from tests.docs_commands import PAGES, ROOT, blocks, outside_of_blocks
from webhook_service import config
from webhook_service.config.variables import VARIABLES
from webhook_service.db import schema

NEEDED = {
    "SUPABASE_URL": "https://example.supabase.co",
    "SUPABASE_SERVICE_ROLE_KEY": "key",
    "WEBHOOK_SECRETS": "whsec_" + "A" * 32,
    "ADMIN_API_KEY": "a" * 16,
}
COMMAND = re.compile(
    r"^ {4,}(?:\$ )?(?:\S+=\S+ )*"
    r"(?:\.venv/bin/|webhook-service |curl |docker |supabase |python3? |pip |gunicorn |export )",
    re.MULTILINE,
)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_in_blocks_of_sh(page: Path) -> None:
    """Commands are in blocks with the language `sh`, so that a test runs them or a marker says why not."""
    assert COMMAND.findall(outside_of_blocks(page)) == []
    assert {block.language for block in blocks(page)} <= {"sh", "sql", "json", "yaml", "text", "mermaid"}


def test_each_marker_belongs_to_a_block() -> None:
    """Each marker is directly before a block of `sh`."""
    written = sum(len(re.findall("<!-- (?:not run|shows): ", page.read_text("utf-8"))) for page in PAGES)
    marked = [block for page in PAGES for block in blocks(page) if block.not_run or block.shows]
    assert (len(marked), {block.language for block in marked}) == (written, {"sh"})


def test_each_page_is_in_a_table_of_contents() -> None:
    """The site's navigation, and the overview of its folder, name each page of docs/."""
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f" {page.as_posix()}\n" not in site] == []
    for page in pages:
        if page.name != "index.md" and page.parent.name:
            assert f"({page.name})" in (ROOT / "docs" / page.parent / "index.md").read_text("utf-8")
