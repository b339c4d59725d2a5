"""Pools of several SKUs, and the rules that couple pools, against exhaustive search."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from capacity.faults import Infeasible
from capacity.leasing import Effort, Needs, Offer, Rules, cover
from tests.capacity.leasing.brute import Paid, cheapest, ways
from tests.capacity.leasing.checks import assert_sound
from tests.capacity.leasing.strategies import problems

ANY = Rules(mix="any")
PROVEN = Effort(gap=0.0, seconds=60.0)
EXACT_IDR = 10


@given(problems(models=2, months=3, largest=2, lots=True))
@settings(max_examples=8)
def test_two_models_mixed_match_exhaustive_search(problem: tuple[Needs, tuple[Offer, ...]]) -> None:
    needs, offers = problem
    plan = cover(needs, offers, ANY, PROVEN)
    assert_sound(plan, needs, offers, ANY)
    best = cheapest(needs, offers, ANY, most=4)
    assert plan.bound_idr <= best + EXACT_IDR
    assert plan.money.total_idr == pytest.approx(best, rel=2e-6, abs=EXACT_IDR)


@given(problems(models=3, months=6, largest=6, lots=True))
@settings(max_examples=25)
def test_freedom_never_costs_more(problem: tuple[Needs, tuple[Offer, ...]]) -> None:
    needs, offers = problem
    totals = [cover(needs, offers, Rules(mix=mix), PROVEN).money.total_idr for mix in ("any", "two", "one")]
    assert totals[0] <= totals[1] * (1 + 2e-6) + EXACT_IDR
    assert totals[1] <= totals[2] * (1 + 2e-6) + EXACT_IDR


def _keeps(way: Paid, rules: Rules) -> bool:
    paid = dict(way.years)
    base: dict[str, int] = {}
    for vendor, amount in way.vendors:
        base[vendor] = base.get(vendor, 0) + amount
    share = rules.vendor_share.get("*", 1.0)
    return all(paid.get(year, 0.0) <= ceiling for year, ceiling in rules.ceilings_idr.items()) and all(
        amount <= share * sum(base.values()) + 1e-6 for amount in base.values()
    )


@given(problems(models=1, months=4, largest=3), st.floats(0.7, 1.1))
@settings(max_examples=40)
def test_ceilings_match_exhaustive_search(problem: tuple[Needs, tuple[Offer, ...]], tightness: float) -> None:
    """The plan keeps the ceiling, costs no less than the optimum, and its bound lies below the optimum."""
    needs, offers = problem
    free = cover(needs, offers, Rules())
    assume(len(free.money.years) > 1)
    year = free.money.years[0]
    assume(year.total_idr)
    rules = Rules(ceilings_idr={year.year: int(year.total_idr * tightness)})
    kept = [way.total for way in ways(needs, offers, rules, most=5) if _keeps(way, rules)]
    plan, refusal = None, ""
    try:
        plan = cover(needs, offers, rules, PROVEN)
    except Infeasible as error:
        refusal = str(error)
    if plan is None:
        assert str(year.year) in refusal
        assert not (kept and "(proven)" in refusal), "a plan exists, so that none can be proven not to"
        return
    assert kept
    assert_sound(plan, needs, offers, rules)
    assert plan.bound_idr <= min(kept) + EXACT_IDR
    assert plan.money.total_idr >= min(kept) - EXACT_IDR


def _two_pools(
    share: float | None = None, ceiling: dict[int, int] | None = None
) -> tuple[Needs, tuple[Offer, ...], Rules]:
    roles = ("edge", "worker")
    months = 14
    amount = np.zeros((1, 2, 2, months, 1))
    for i in range(2):
        for r in range(2):
            amount[0, i, r, :, 0] = (np.arange(months) // 4 + 2) * (3 + 4 * r) * (1 + i)
    needs = Needs(
        dt.date(2018, 7, 1),
        ("primary", "drc"),
        roles,
        ("cores",),
        amount,
        np.ones((2, 2), dtype=np.int64),
        np.full((2, 2, months), 2),
    )
    offers = tuple(
        Offer(
            sku, vendor, term, int(rent * cut), 1_500_000, {"cores": cores}, frozenset(roles), lot_size=1 + (cores < 8)
        )
        for sku, vendor, cores, rent in (
            ("small", "a", 4.0, 3_000_000),
            ("medium", "b", 8.0, 5_300_000),
            ("large", "c", 16.0, 10_400_000),
        )
        for term, cut in ((3, 1.0), (12, 0.75))
    )
    return needs, offers, Rules(mix="any", vendor_share={"*": share} if share else {}, ceilings_idr=ceiling or {})


def test_coupling_rules_hold_and_the_gap_is_reported() -> None:
    needs, offers, rules = _two_pools()
    free = cover(needs, offers, rules)
    paid = {year.year: year.total_idr for year in free.money.years}
    needs, offers, rules = _two_pools(0.6, {2018: paid[2018], 2019: int(paid[2019] * 1.1)})
    plan = cover(needs, offers, rules, Effort(gap=0.01, seconds=60.0))
    assert_sound(plan, needs, offers, rules)
    assert plan.gap <= 0.01
    base: dict[str, int] = {}
    for line in plan.lines:
        each = line.months * line.monthly_rent_idr + line.setup_idr
        base[line.vendor] = base.get(line.vendor, 0) + line.quantity * each
    assert max(base.values()) <= 0.6 * sum(base.values())
    assert plan.money.total_idr >= free.bound_idr


def test_a_binding_ceiling_has_a_price_and_a_loose_one_has_none() -> None:
    needs, offers, rules = _two_pools()
    paid = {year.year: year.total_idr for year in cover(needs, offers, rules).money.years}
    needs, offers, loose = _two_pools(None, {2018: 2 * paid[2018]})
    assert cover(needs, offers, loose).shadow.ceiling == {2018: 0.0}
    needs, offers, tight = _two_pools(None, {2018: int(paid[2018] * 0.87)})
    plan = cover(needs, offers, tight, PROVEN)
    assert plan.shadow.ceiling[2018] > 0
    assert plan.money.total_idr > cover(needs, offers, loose).money.total_idr


def test_the_plan_is_never_dearer_than_the_rounded_lp() -> None:
    needs, offers, rules = _two_pools()
    plan = cover(needs, offers, rules, Effort(gap=1.0))
    assert plan.lp_rounded_idr is not None
    assert plan.money.total_idr <= plan.lp_rounded_idr
    better = cover(needs, offers, rules, PROVEN)
    assert better.money.total_idr <= plan.money.total_idr
    assert better.bound_idr >= plan.bound_idr - EXACT_IDR


def test_worst_scenario_is_carried() -> None:
    needs, offers, rules = _two_pools()
    both = dataclasses.replace(
        needs, amount=np.concatenate([needs.amount, needs.amount[:, :, :, ::-1]]), probability=np.array([0.5, 0.5])
    )
    plan = cover(both, offers, rules)
    assert_sound(plan, both, offers, rules)
