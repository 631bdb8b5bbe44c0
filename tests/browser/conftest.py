"""A real Chromium and the real server. A page must not log an error, fail, or send a request to another host."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.acceptance.conftest import servers
from tests.browser.axe import AXE
from tests.browser.company import Company, company_of
from tests.conftest import ADMIN_KEY

CHROMIUM = Path("/usr/bin/chromium")
# The sandbox does not work as root. The other options turn off the traffic of Chromium and the missing GPU.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
TIMEOUT_MILLISECONDS = 15_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. If it is missing, the test is skipped. If CI is in the environment, the test fails."""
    if not CHROMIUM.exists():
        skip = pytest.fail if os.environ.get("CI") else pytest.skip
        skip("needs Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core's script, because the pages load no scripts from other hosts.

    If it is missing, the test is skipped as in `browser`.
    """
    if not AXE.exists():
        skip = pytest.fail if os.environ.get("CI") else pytest.skip
        skip("needs axe-core: npm ci --prefix tests/browser")
    return AXE.read_text("utf-8")


@contextmanager
def served(database_url: str, folder: Path, **settings: str) -> Iterator[str]:
    """Run the real server with the stand-in for Auth, and yield its URL."""
    with servers(database_url, folder) as start:
        yield start(**{"AUTH_ADMIN": "local", "WEB_CONCURRENCY": "1"} | settings).url


@dataclass  # without slots, because Playwright sets attributes on its listeners
class Watch:
    """The errors of a page. Requests to the paths in `expected` may fail or get a 4xx."""

    url: str
    expected: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.found.append(f"page error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        # `_on_response` checks the status of responses.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.found.append(f"console: {message.text}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.found.append(f"request to another host: {request.url}")

    def _on_failure(self, request: Request) -> None:
        # A browser that leaves a page aborts the open requests of the page.
        if request.failure != "net::ERR_ABORTED" and urlsplit(request.url).path not in self.expected:
            self.found.append(f"failed: {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if response.status >= 500 or (response.status >= 400 and path not in self.expected):
            self.found.append(f"{response.status}: {response.url}")


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a server on this test's database, with a running relay."""
    with served(database_url, tmp_path) as url:
        yield url


@pytest.fixture
def company(database_url: str) -> Iterator[Company]:
    """The company in this test's database."""
    with company_of(database_url) as company:
        yield company


@contextmanager
def watched(browser: Browser, url: str, **options: object) -> Iterator[tuple[Page, Watch]]:
    """Yield a page of a new browser context, and its errors. At the end there must be no errors."""
    context = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    page, watch = context.new_page(), Watch(url)
    watch.follow(page)
    yield page, watch
    context.close()
    assert watch.found == []


@pytest.fixture
def watched_page(browser: Browser, server: str) -> Iterator[tuple[Page, Watch]]:
    with watched(browser, server, permissions=["clipboard-read", "clipboard-write"]) as found:
        yield found


@pytest.fixture
def watch(watched_page: tuple[Page, Watch]) -> Watch:
    return watched_page[1]


@pytest.fixture
def page(watched_page: tuple[Page, Watch]) -> Page:
    """A page on which no admin is signed in."""
    return watched_page[0]


def sign_in(page: Page) -> None:
    page.goto("/admin/login")
    page.get_by_label("Admin key").fill(ADMIN_KEY)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Sign in with the key").click()
    page.wait_for_url("**/admin/auth-sync")


@pytest.fixture
def admin(page: Page) -> Page:
    """A page on which Ada is signed in."""
    sign_in(page)
    return page
