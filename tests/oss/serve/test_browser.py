"""The page in a real browser: keyboard, what is read aloud, faults, narrow screens, nothing from outside, axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request

from capacity.report.language import language
from capacity.report.page import render
from capacity.report.sources import Sources
from capacity.report.view import build
from tests.oss.serve.browser import SETTLED, WAIT_MS, browser_page, change, settle, until, violations
from tests.oss.serve.server import Server


@pytest.fixture(scope="module")
def opened(server: Server, chromium: str) -> Iterator[Page]:
    """The page, once; each test loads it afresh."""
    with browser_page(chromium) as page:
        yield page


@pytest.fixture
def page(opened: Page, server: Server) -> Page:
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.goto(server.address)
    opened.evaluate("sessionStorage.clear()")
    opened.goto(server.address)
    settle(opened)
    return opened


def test_a_change_by_keyboard_is_answered_and_read_aloud(page: Page, server: Server) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "roles[2].redundancy":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Control+A")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    until(page, "document.getElementById('spoken').textContent.includes('naik')")
    settle(page)
    assert str(page.text_content("#difference")).startswith("▲ +Rp")
    assert page.locator("#grid-lines tbody tr").count() > 0
    assert page.get_attribute("#spoken", "aria-live") == "polite"
    assert all(url.startswith(server.address) for url in asked)


# The first answer comes from the server; the next is the same again, at once, up to `until`, and its stream ends late.
REPLAYED = """
const real = window.fetch;
let kept = null;
window.fetch = async (...asked) => {
  if (!String(asked[0]).endsWith("/what-if")) return real(...asked);
  if (!kept) {
    const answer = await real(...asked);
    kept = new Uint8Array(await answer.clone().arrayBuffer());
    return answer;
  }
  return new Response(new ReadableStream({
    start(to) {
      to.enqueue(kept.slice(0, %s));
      setTimeout(() => { to.close(); window.ended = true; }, 400);
    },
  }));
};
"""


def replayed(opened: Page, server: Server, part: str) -> Page:
    """A page whose second question has been answered by a part of its first answer."""
    browser = opened.context.browser
    assert browser is not None
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.add_init_script(REPLAYED % part)
    page.goto(server.address)
    settle(page)
    field = page.locator('[name="roles[2].redundancy"]')
    field.evaluate("f => { f.closest('details').open = true; }")
    field.fill("2")
    field.blur()
    until(page, "window.ended === true")
    return page


def test_an_answer_stands_also_when_its_stream_ends_late(opened: Page, server: Server) -> None:
    page = replayed(opened, server, "kept.length")
    assert page.evaluate(SETTLED)
    assert page.is_hidden("#bar")
    assert page.is_hidden("#problem")
    page.close()


def test_an_answer_that_breaks_off_is_said(opened: Page, server: Server) -> None:
    page = replayed(opened, server, "kept.indexOf(10) + 1")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.evaluate(SETTLED)
    assert "oss serve" in str(page.text_content("#problem"))
    page.close()


def test_a_province_moves_and_comes_back(page: Page) -> None:
    total = page.text_content("#total")
    change(page, "province.ID-JB", "1")
    assert "Jawa Barat" in str(page.text_content("#result"))
    assert page.text_content("#group-provinces .count") == "1 diubah"
    page.click("#reset")
    until(page, "document.getElementById('spoken').textContent.includes('sama dengan rencana')")
    settle(page)
    assert page.text_content("#total") == total


def test_a_wrong_value_is_said_at_the_field(page: Page) -> None:
    before = page.text_content("#total")
    field = page.locator('[name="phases[1].start"]')
    field.fill("2018-08-01")
    field.blur()
    page.wait_for_selector("#problem:not([hidden])")
    assert field.get_attribute("aria-invalid") == "true"
    told = str(field.get_attribute("aria-describedby")).split()
    assert any("kedua tahap tumpang tindih" in str(page.locator(f'[id="{i}"]').text_content()) for i in told)
    assert page.text_content("#total") == before
    change(page, "phases[1].start", "2018-11-12")
    assert field.get_attribute("aria-invalid") is None
    assert page.is_hidden("#problem")


def test_the_language_changes_and_the_changes_stay(page: Page) -> None:
    change(page, "demand.surge.half_life_days.p50", "16,5")
    page.click("#other")
    settle(page)
    assert page.get_attribute("html", "lang") == "en"
    assert page.input_value('[name="demand.surge.half_life_days.p50"]') == "16,5"
    assert "Changes tried" in str(page.text_content("#result"))


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for group in page.query_selector_all("details"):
        group.evaluate("d => { d.open = true; }")
    change(page, "roles[2].redundancy", "2")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#total").is_visible()


def test_axe_finds_nothing_serious(page: Page) -> None:
    change(page, "roles[2].redundancy", "2")
    for group in page.query_selector_all("details:not(#report)"):
        group.evaluate("d => { d.open = true; }")
    assert violations(page) == []
    page.fill('[name="roles[2].redundancy"]', "x")
    page.locator('[name="roles[2].redundancy"]').blur()
    page.wait_for_selector("#problem:not([hidden])")
    assert violations(page) == []


def test_the_report_is_shown_inside(page: Page) -> None:
    page.click("#report summary")
    frame = page.frame_locator("#frame")
    frame.locator("#table-hps").wait_for()
    until(page, "document.getElementById('frame').clientHeight > 3000")


def test_a_download_is_the_changed_plan(page: Page, tmp_path: Path) -> None:
    change(page, "phases[1].start", "2018-11-12")
    with page.expect_download() as found:
        page.click("a.download[href$='.yaml']")
    found.value.save_as(tmp_path / "plan.yaml")
    assert found.value.suggested_filename == "national.yaml"
    assert "start: 2018-11-12" in (tmp_path / "plan.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("interactive", [False, True])
def test_axe_finds_nothing_serious_in_the_report(
    opened: Page, sources: Sources, tmp_path: Path, interactive: bool
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(build(sources), language("id"), interactive=interactive), encoding="utf-8")
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    assert violations(opened) == []
    assert asked == [file.as_uri()]
