"""Hooks of MkDocs. They add the documents of the repository's root to the site, and lead links to them."""

import re
from pathlib import Path
from posixpath import join, relpath
from typing import Any

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    "README.md": "project/about.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}
"""{document of the root: page of the site}"""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    from mkdocs.structure.files import File  # only the site needs MkDocs

    for document, page in DOCUMENTS.items():
        files.append(File.generated(config, page, content=with_links((ROOT / document).read_text("utf-8"), "", page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links that leave docs/ to the pages."""
    if page.file.src_uri in DOCUMENTS.values():
        return markdown
    return with_links(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def with_links(markdown: str, source: str, page: str) -> str:
    """Return a document with links from `page` of the site. `source` is its path in the repository."""

    def from_page(found: re.Match[str]) -> str:
        target = re.sub(r"^(\.\./)+", "", join("", relpath(join("/", source, "..", found[1]), "/")))
        there = DOCUMENTS.get(target) or target.removeprefix("docs/")
        return relpath(there, page.rpartition("/")[0] or ".")

    return LINK.sub(from_page, markdown)
