"""The report's page in a real browser: charts drawn, nothing from outside, axe-core content, narrow screens."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import sync_playwright

from capacity.report.language import language
from capacity.report.page import render
from capacity.report.values import Chart, Report

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
DRAWN = "n => document.querySelectorAll('figure.drawn').length === n"


@pytest.fixture
def chromium() -> str:
    """Debian's browser."""
    found = shutil.which("chromium")
    if not found:
        pytest.skip("needs chromium (make setup)")
    return found


@pytest.mark.timeout(240)
def test_page_draws_its_charts_offline_and_is_accessible(report: Report, tmp_path: Path, chromium: str) -> None:
    page_file = tmp_path / "report.html"
    page_file.write_text(render(report, language("id"), interactive=True), encoding="utf-8")
    charts = sum(isinstance(b, Chart) for b in report.blocks)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 360, "height": 800}, bypass_csp=True)
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(page_file.as_uri())
            page.wait_for_function(DRAWN, arg=charts, timeout=120_000)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            page.evaluate(AXE.read_text(encoding="utf-8"))
            found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
            assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
            assert asked == [page_file.as_uri()]
            still = browser.new_context(java_script_enabled=False).new_page()
            still.goto(page_file.as_uri())
            assert still.locator("figure .still svg >> visible=true").count() == charts
        finally:
            browser.close()
