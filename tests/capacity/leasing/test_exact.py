"""Homogeneous pools: the LP's plan is whole, and is the one that exhaustive search finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.leasing import Needs, Offer, Rules, cover
from tests.capacity.leasing.brute import cheapest
from tests.capacity.leasing.checks import assert_sound
from tests.capacity.leasing.strategies import ROLE, one_pool, problems

RULES = Rules()
EXACT_IDR = 10
"""Plans are priced to 1e-9; monthly tax is rounded to the rupiah."""


@given(problems(models=1, largest=3))
@settings(max_examples=60)
def test_one_model_matches_exhaustive_search(problem: tuple[Needs, tuple[Offer, ...]]) -> None:
    needs, offers = problem
    plan = cover(needs, offers, RULES)
    assert_sound(plan, needs, offers, RULES)
    best = cheapest(needs, offers, RULES, most=5)
    assert plan.money.total_idr == pytest.approx(best, abs=EXACT_IDR)
    assert plan.bound_idr == pytest.approx(best, abs=EXACT_IDR)
    assert plan.gap < 1e-6


@given(problems(models=1, largest=3, lots=True))
@settings(max_examples=30)
def test_lots_match_exhaustive_search(problem: tuple[Needs, tuple[Offer, ...]]) -> None:
    needs, offers = problem
    plan = cover(needs, offers, RULES)
    assert_sound(plan, needs, offers, RULES)
    best = cheapest(needs, offers, RULES, most=6)
    assert plan.money.total_idr == pytest.approx(best, abs=EXACT_IDR)


@given(problems(models=2, largest=3), st.integers(0, 4), st.integers(1, 4))
@settings(max_examples=40)
def test_more_need_never_costs_less(problem: tuple[Needs, tuple[Offer, ...]], month: int, more: int) -> None:
    needs, offers = problem
    amount = needs.amount.copy()
    amount[..., month, 0] += more
    grown = Needs(
        needs.start, needs.sites, needs.roles, needs.resources, amount, needs.spare, needs.minimum, needs.probability
    )
    assert cover(grown, offers, RULES).money.total_idr >= cover(needs, offers, RULES).money.total_idr - EXACT_IDR


@given(problems(models=2, largest=4))
@settings(max_examples=25)
def test_same_problem_same_plan(problem: tuple[Needs, tuple[Offer, ...]]) -> None:
    needs, offers = problem
    one, other = cover(needs, offers, RULES), cover(needs, tuple(reversed(offers)), RULES)
    assert one.lines == cover(needs, offers, RULES).lines
    assert one.money == other.money, "the order of the price book does not matter"


def test_a_longer_term_pays_exactly_when_its_discount_beats_the_months_not_needed() -> None:
    needs = one_pool([[2.0]] * 10, spare=0, minimum=0)
    role = frozenset({"worker"})
    short = Offer("s", "v", 1, 1_000_000, 0, {"cores": 2.0}, role)
    for rent, term in ((830_000, 12), (840_000, 1)):
        plan = cover(needs, (short, Offer("s", "v", 12, rent, 0, {"cores": 2.0}, role)), RULES)
        assert plan.lines[0].term == term, "12 months at 0.83 cost less than 10 at 1.00, at 0.84 they do not"


def test_early_return_is_taken_when_its_fee_is_small() -> None:
    needs = one_pool([[2.0]] * 7, spare=0, minimum=0)
    role = frozenset({"worker"})
    offer = Offer("s", "v", 12, 1_000_000, 0, {"cores": 2.0}, role, early_return_fee=0.2)
    plan = cover(needs, (offer,), RULES)
    assert_sound(plan, needs, (offer,), RULES)
    (line,) = plan.lines
    assert (line.months, line.term, line.early_return_idr) == (7, 12, 1_000_000)
    assert plan.money.total_before_vat_idr == 7_000_000 + 1_000_000


def test_spare_and_minimum_servers() -> None:
    role = frozenset({"worker"})
    offer = Offer("s", "v", 1, 1_000_000, 0, {"cores": 2.0}, role)
    needs = one_pool([[0.0], [1.0], [5.0]], spare=2, minimum=1)
    plan = cover(needs, (offer,), RULES)
    assert plan.active[0, 0, 0].tolist() == [1, 1 + 2, 3 + 2]


def test_counts_by_sku_choose_the_cheaper_pool_and_skip_skus_without_one() -> None:
    role = frozenset({"worker"})
    offers = tuple(
        Offer(sku, "v", 1, rent, 0, {"servers": 1.0}, role)
        for sku, rent in (("small", 1_000_000), ("large", 2_500_000), ("unfit", 1))
    )
    shape = (1, 1, 2)
    needs = Needs(
        one_pool([[0.0]], 0, 0).start,
        ("primary",),
        ("worker",),
        ("servers",),
        np.zeros((1, 1, 1, 2, 1)),
        np.array([[1]]),
        np.zeros((1, 1, 2), dtype=np.int64),
        counts={("worker", "small"): np.full(shape, 6), ("worker", "large"): np.full(shape, 1)},
    )
    plan = cover(needs, offers, RULES)
    assert {(line.sku, line.quantity) for line in plan.lines} == {("large", 2)}


def test_shadow_price_of_need_is_the_cost_of_one_more_server() -> None:
    role = frozenset({"worker"})
    offer = Offer("s", "v", 1, 1_000_000, 0, {"cores": 1.0}, role)
    plan = cover(one_pool([[100.0], [50.0]], spare=0, minimum=0), (offer,), RULES)
    assert plan.shadow.need[0, 0] == pytest.approx([1.1e6, 0.55e6])


def test_of_leases_at_the_same_price_the_later_start_is_taken() -> None:
    amounts = [[2.0]] * 6 + [[4.0]] * 2 + [[6.0]] * 4
    needs = one_pool(amounts, spare=0, minimum=0)
    offers = tuple(
        Offer("s", "v", term, rent * 1000, 0, {"cores": 2.0}, frozenset({ROLE})) for term, rent in ((6, 100), (12, 80))
    )
    plan = cover(needs, offers)
    assert sorted((line.start, line.term) for line in plan.lines) == [(0, 12), (6, 6), (8, 6)]
    assert_sound(plan, needs, offers, Rules())


def test_a_later_start_never_breaks_a_ceiling() -> None:
    needs = one_pool([[2.0]] * 4 + [[4.0]] * 2, spare=0, minimum=0)  # November 2018 on
    offers = (Offer("s", "v", 6, 100_000, 0, {"cores": 2.0}, frozenset({ROLE})),)
    free = cover(needs, offers)
    assert max(line.start for line in free.lines) == 4
    paid = {year.year: year.total_idr for year in free.money.years}
    tight = cover(needs, offers, Rules(ceilings_idr={2019: paid[2019] - 100_000}))
    assert tight.money.total_idr == free.money.total_idr
    assert_sound(tight, needs, offers, Rules(ceilings_idr={2019: paid[2019] - 100_000}))
    assert max(line.start for line in tight.lines) == 1, "as late as the ceiling lets it"
