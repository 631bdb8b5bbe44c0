"""The OpenAPI document as a page, which GET /admin/api/docs returns."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from webhook_service.web.api.openapi import document
from webhook_service.web.api.operations import OPERATIONS


@pytest.fixture
def page(client: FlaskClient) -> str:
    answer = client.get("/admin/api/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    return answer.text


def test_the_page_has_the_whole_document(page: str) -> None:
    """The documentation page has each route, parameter, field and reason, and no missing text."""
    text = unescape(page)
    made = document()
    names = {name for schema in made["components"]["schemas"].values() for name in schema["properties"]}
    names |= {reason for operation in OPERATIONS for reason in operation.all_reasons} | set(made["paths"])
    assert {name for name in names if f"<code>{name}</code>" not in text} == set()
    assert not re.search(r"\bNone\b|<td>any</td>", text)


def test_the_page_fits_a_strict_policy(client: FlaskClient, page: str) -> None:
    """The documentation page has no scripts and no inline styles, and uses only the service's stylesheet."""
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", page)
    own = ["/admin/static/icon.svg", "/admin/api/docs/api_docs.css", "/admin/api/openapi.json"]
    assert re.findall('(?:src|href)="([^#"]*)"', page) == own
    with client.get("/admin/api/docs/api_docs.css") as style:
        assert (style.status_code, style.mimetype) == (200, "text/css")
        assert not re.search(r"url\(|@import", style.get_data(as_text=True))


def test_links_have_one_target(page: str) -> None:
    """Every link within the documentation page has exactly one target."""
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall('href="#([^"]+)"', page)) <= set(ids)


def test_the_page_is_accessible(page: str) -> None:
    """The documentation page has one main heading and skips no heading level.

    Tables have captions and headers, and scrolling regions can be focused.
    """
    levels = [int(level) for level in re.findall("<h([1-6])", page)]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(levels, levels[1:], strict=False))
    assert page.count("<table>") == page.count("<caption>") == page.count("<thead>")
    regions = re.findall('<(?:pre|div class="scrolls")[^>]*>', page)
    assert all('tabindex="0"' in region and "aria-label=" in region for region in regions)
