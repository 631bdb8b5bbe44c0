"""Screenshots of all pages for docs/how-to/dashboard.md, from a fictitious company after one day.

python -m benchmarks.screenshots [FOLDER]    (default docs/screenshots; needs Debian's chromium-headless-shell)
"""

import base64
import re
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.company import Company, company_of
from tests.browser.conftest import ARGUMENTS, CHROMIUM, served, sign_in
from webhook_service.db import embedded, migrate
from webhook_service.ledger import bulk_replay
from webhook_service.policy import Policy
from webhook_service.scim import clients

DESK = {"width": 1120, "height": 700}
PHONE = {"width": 390, "height": 844}
TALLEST = 1300
"""The size in pixels. A longer page is cut at the end."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ws-") as name, embedded.running(Path(name)) as environment:
        migrate.migrate(environment["DATABASE_URL"])
        with company_of(environment["DATABASE_URL"]) as company, sync_playwright() as playwright:
            company.live_a_day()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            # Without a relay, a bulk replay makes no progress, so that its picture shows a half-finished replay.
            with served(environment["DATABASE_URL"], Path(name), RELAY="off", ADMIN_ROLES="hr") as url:
                page = browser.new_context(base_url=url, viewport=DESK, color_scheme="light").new_page()  # type: ignore[arg-type]
                walk(page, company, folder)
            browser.close()


def walk(page: Page, company: Company, folder: Path) -> None:
    def shoot(name: str, path: str | None = None, tallest: int = 900) -> None:
        if path is not None:
            page.goto(path)
        page.wait_for_load_state()
        size = page.viewport_size or DESK
        height = min(tallest, page.evaluate("Math.floor(document.body.getBoundingClientRect().height)"))
        clip: Any = {"x": 0, "y": 0, "width": size["width"], "height": height}
        taken = page.screenshot(full_page=True, clip=clip, animations="disabled")
        (folder / f"{name}.png").write_bytes(with_palette(page, taken, size["width"], height))

    shoot("sign-in", "/admin/login")
    sign_in(page)
    company.settle()  # then the pages show a relay that has just run
    shoot("overview", "/admin/auth-sync", TALLEST)
    page.emulate_media(color_scheme="dark")
    shoot("overview-dark", tallest=TALLEST)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    shoot("overview-phone", "/admin/auth-sync", TALLEST)
    shoot("events-phone", "/admin/events", TALLEST)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    shoot("events", "/admin/events")
    page.goto("/admin/events?status=FAILED&outcome=ambiguous")
    page.locator("tbody tr a").first.click()
    shoot("event-ambiguous", tallest=TALLEST)
    page.goto("/admin/events?status=FAILED&outcome=employee_rejected")
    page.locator("tbody tr a").first.click()
    company.fix_constraint()
    page.get_by_role("button", name="Replay", exact=True).click()
    shoot("event-replayed", tallest=TALLEST)
    shoot("replay-preview", "/admin/replays/new?operation=UPDATE")
    begun = bulk_replay.begin(company.database, {"operation": "UPDATE"}, requested_by="admin key (Ada)")
    bulk_replay.run_once(company.database, Policy(), name="relay", limit=29)
    shoot("replay", f"/admin/replays/{begun['id']}")
    shoot("replays", "/admin/replays")
    shoot("employees", "/admin/employees")
    shoot("employees-no-login", "/admin/employees?sync_status=MISSING_AUTH_UID")
    page.goto("/admin/employees?person=grace")
    page.locator("tbody tr a").first.click()
    shoot("employee")
    shoot("employee-new", "/admin/employees/new")
    for label, text in [("E-mail", "lena.fox@example.com"), ("First name", "Lena"), ("Last name", "Fox")]:
        page.get_by_label(label).fill(text)
    page.get_by_label("Employee number").fill("E-1050")
    page.get_by_role("button", name=re.compile("^Create")).click()
    shoot("employee-created")
    shoot("audit", "/admin/audit")
    shoot("setup", "/admin/setup", TALLEST)
    clients.create_token(company.database, "okta", requested_by="Ada")
    shoot("directories", "/admin/directories")
    shoot("subscribers", "/admin/subscribers")


PALETTE = """async ([png, width, height]) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const pixels = canvas.getImageData(0, 0, width, height).data, counts = new Map(), rows = [];
  const colour = at => (pixels[at] & 252) << 16 | (pixels[at + 1] & 252) << 8 | pixels[at + 2] & 252;
  for (let at = 0; at < pixels.length; at += 4) counts.set(colour(at), (counts.get(colour(at)) || 0) + 1);
  const apart = (a, b) => [16, 8, 0].reduce((sum, bits) => sum + ((a >> bits & 255) - (b >> bits & 255)) ** 2, 0);
  const chosen = [];
  for (const one of [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a))) {
    const isNeeded = counts.get(one) > 2000 || chosen.every(other => apart(one, other) > 400);
    if (isNeeded && chosen.length < 200) chosen.push(one);
  }
  const place = new Map([...counts.keys()].map(
    one => [one, chosen.reduce((best, other, i) => apart(one, other) < apart(one, chosen[best]) ? i : best, 0)]));
  const sums = chosen.map(() => [0, 0, 0, 0]), found = new Uint8Array(width * height);
  for (let at = 0; at < pixels.length; at += 4) {
    const i = place.get(colour(at));
    found[at / 4] = i;
    for (const part of [0, 1, 2]) sums[i][part] += pixels[at + part];
    sums[i][3]++;
  }
  for (let y = 0; y < height; y++) rows.push(String.fromCharCode(...found.subarray(y * width, (y + 1) * width)));
  return [btoa(rows.join("")), sums.flatMap(([r, g, b, n]) => [r, g, b].map(sum => Math.round(sum / n)))];
}"""


def with_palette(page: Page, png: bytes, width: int, height: int) -> bytes:
    """The PNG with at most 200 frequent and distinct colours, which has a third of the size and no visible change."""
    blank = page.context.new_page()
    pixels, palette = blank.evaluate(PALETTE, [base64.b64encode(png).decode(), width, height])
    blank.close()
    places = base64.b64decode(pixels)
    rows = b"".join(b"\0" + places[at : at + width] for at in range(0, len(places), width))
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": bytes(palette),
        b"IDAT": zlib.compress(rows, 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots"))
