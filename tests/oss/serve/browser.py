"""Debian's Chromium on the page: waits, axe-core, and how long an answer took by the page's own clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page, sync_playwright

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
WAIT_MS = 60_000
POLL_MS = 20
SETTLED = "document.getElementById('result').getAttribute('aria-busy') === 'false'"


@contextmanager
def browser_page(chromium: str, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page of a fresh browser. The sandbox of Chromium refuses root, which tests run as."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(WAIT_MS)
            yield page
        finally:
            browser.close()


def until(page: Page, holds: str) -> None:
    """Wait for a JavaScript expression. The page's own policy forbids Playwright's `wait_for_function`, which evaluates
    inside it."""
    end = time.monotonic() + WAIT_MS / 1e3
    while not page.evaluate(holds):
        assert time.monotonic() < end, f"still waiting for {holds}"
        page.wait_for_timeout(POLL_MS)


def settle(page: Page) -> None:
    """Until no answer is awaited."""
    until(page, SETTLED)


def change(page: Page, name: str, value: str) -> float:
    """Type into a field, leave it, wait for the answer; milliseconds from the change until the answer stood there.

    Measured by the page itself (User Timing), from the event of the change to the answer in its place.
    """
    page.evaluate("performance.clearMeasures()")
    field = page.locator(f'[name="{name}"]').first
    field.evaluate(
        "f => { for (let d = f.closest('details'); d; d = d.parentElement.closest('details')) d.open = true; }"
    )
    if field.evaluate("f => f.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)
        field.blur()
    until(page, "performance.getEntriesByName('what-if-done').length > 0")
    settle(page)
    return float(page.evaluate("performance.getEntriesByName('what-if-done').at(-1).duration"))


def first_ms(page: Page) -> float:
    """Milliseconds until the first figures of the last change stood there: the early answer, or the only one."""
    kinds = "['what-if-early', 'what-if-done']"
    entries = f"{kinds}.flatMap(k => performance.getEntriesByName(k).slice(-1)).map(e => e.duration)"
    return float(page.evaluate(f"Math.min(...{entries})"))


def violations(page: Page) -> list[str]:
    """Serious and critical findings of axe-core."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{v['impact']} {v['id']}: {v['nodes'][0]['html'][:120]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
