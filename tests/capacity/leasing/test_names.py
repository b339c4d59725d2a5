"""Server names: lowest index first, kept through renewals, and never renumbered by more need."""

from __future__ import annotations

import datetime as dt

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.leasing import Needs, Offer, Rules, cover

OFFERS = tuple(
    Offer("std", "Penyedia A", term, rent, 1_000_000, {"servers": 1.0}, frozenset({"worker"}), lead_time_days=30)
    for term, rent in ((3, 1_000_000), (12, 700_000))
)


def _needs(counts: list[int]) -> Needs:
    return Needs.of_servers(dt.date(2018, 7, 1), ("primary",), ("worker",), np.array([[counts]]))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=12), st.integers(0, 11), st.integers(1, 3))
@settings(max_examples=60)
def test_growing_needs_add_names_and_change_none(steps: list[int], place: int, more: int) -> None:
    """With needs that never fall, month t holds exactly the names 1..n(t); more need adds names, keeps the others."""
    counts = np.cumsum([1, *steps])
    plan = cover(_needs(counts.tolist()), OFFERS)
    for t in range(len(counts)):
        active = {s.index for s in plan.servers if s.start <= t < s.end}
        assert active == set(range(1, len(active) + 1))
        assert len(active) >= counts[t]
    grown = counts.copy()
    grown[min(place, len(counts) - 1) :] += more
    larger = {s.name: s for s in cover(_needs(grown.tolist()), OFFERS).servers}
    for server in plan.servers:
        assert (larger[server.name].sku, larger[server.name].site) == (server.sku, server.site)


def test_a_server_keeps_its_name_through_renewals() -> None:
    plan = cover(_needs([2] * 24 + [3] * 12), OFFERS)
    assert [(s.name, s.start, s.end) for s in plan.servers] == [
        ("primary-worker-01", 0, 36),
        ("primary-worker-02", 0, 36),
        ("primary-worker-03", 24, 36),
    ]
    first, second, third, new = plan.lines
    assert (second.renews, third.renews, new.renews) == (first.id, second.id, None)
    assert first.id == "primary-worker-std-penyedia-a-201807-12m"
    assert second.setup_idr == third.setup_idr == 0
    assert second.order_by == first.notice_by == dt.date(2019, 6, 1), "renewing is ordered by the notice date"
    assert new.order_by == dt.date(2020, 6, 1), "a new server is ordered a lead time ahead"


def test_released_names_are_not_given_again_unless_asked() -> None:
    counts = [2, 2, 2, 0, 0, 0, 1, 1, 1]
    apart = cover(_needs(counts), OFFERS)
    assert [s.index for s in apart.servers] == [1, 2, 3]
    again = cover(_needs(counts), OFFERS, Rules(reuse_indexes=True))
    assert [s.index for s in again.servers] == [1, 1, 2]


def test_servers_that_go_back_are_those_with_the_highest_index() -> None:
    plan = cover(_needs([3, 3, 3, 1, 1, 1]), OFFERS)
    assert [(s.index, s.end) for s in plan.servers] == [(1, 6), (2, 3), (3, 3)]
