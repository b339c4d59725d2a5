"""How soon the what-if page answers, in Debian's Chromium, by the page's own clock: change event to figures in place.

The national plan with all its draws. "First figures" of a change of rents are the old lease lines at the new rents; the
optimum follows. Bars: 300 ms at p95 where nothing is optimised anew, 3 s where leases or replicas are.
"""

from __future__ import annotations

import shutil
from itertools import cycle
from typing import Any

from playwright.sync_api import Page

from tests.oss.serve.browser import browser_page, change, first_ms, settle
from tests.oss.serve.server import Server

QUICK_MS = 300.0
SLOW_MS = 3000.0
QUICK_TIMES = 20
SLOW_TIMES = 6


def rows() -> list[dict[str, Any]]:
    """One row for each kind of change. Every value differs from those before, so nothing is merely remembered."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise RuntimeError("needs chromium (make setup)")
    with Server() as server, browser_page(chromium) as page:
        page.goto(server.address)
        settle(page)
        bandwidth = [f"{n}" for n in range(61_000, 61_000 + 1000 * QUICK_TIMES, 1000)]
        rents = [f"{n / 10:g}" for n in range(11, 11 + QUICK_TIMES)]
        return [
            _row("price of a supporting item", _times(page, "supporting[bandwidth-domestic].monthly_rent", bandwidth)),
            *_rents(page, rents),
            _row("spare servers (N+k)", _times(page, "roles[2].redundancy", ["2", "3", "0", "4"]), SLOW_MS),
            _row("SLO", _times(page, "endpoints[5].slo_p95_ms", ["590", "580", "570", "560", "550", "540"]), SLOW_MS),
            _row("launch surge", _times(page, "demand.surge.first_day_multiple.p50", _few("3.{}", 6)), SLOW_MS),
            _row("start date", _times(page, "phases[2].start", _few("2019-03-{:02}", 4)), SLOW_MS),
            _row("province to another phase", _provinces(page), SLOW_MS),
        ]


def _few(pattern: str, first: int) -> list[str]:
    return [pattern.format(n) for n in range(first, first + SLOW_TIMES) if n < 10]


def _times(page: Page, name: str, values: list[str]) -> list[float]:
    before = page.locator(f'[name="{name}"]').first.evaluate("f => f.defaultValue")
    taken = [change(page, name, value) for value in values]
    change(page, name, before)
    return taken


def _rents(page: Page, values: list[str]) -> list[dict[str, Any]]:
    first, last = [], []
    for value in values:
        last.append(change(page, "prices.rise", value))
        first.append(first_ms(page))
    change(page, "prices.rise", "0")
    return [
        _row("rents, first figures with the same lease lines", first),
        _row("rents, leases optimised anew", last, SLOW_MS),
    ]


def _provinces(page: Page) -> list[float]:
    moved = ["ID-JB", "ID-JT", "ID-AC", "ID-SB", "ID-NT", "ID-KB"][:SLOW_TIMES]
    return [change(page, f"province.{code}", to) for code, to in zip(moved, cycle("12"), strict=False)]


def _row(what: str, taken: list[float], bar: float = QUICK_MS) -> dict[str, Any]:
    p95 = sorted(taken)[max(0, -(-95 * len(taken) // 100) - 1)]
    return {
        "name": f"what-if page: {what}, p95 of {len(taken)}",
        "ours": round(p95, 1),
        "unit": "ms",
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "bar": f"{bar:.0f} ms",
        "holds": p95 <= bar,
    }


if __name__ == "__main__":
    import json

    print(json.dumps(rows(), indent=2))
