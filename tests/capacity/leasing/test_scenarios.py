"""Cost quantiles over draws, and hedging against scenarios."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.faults import BadInput
from capacity.leasing import Effort, Needs, Offer, Risk, Rules, cost_quantiles, cover, hedge, quantiles_idr
from capacity.leasing.hedge import Hedge
from tests.capacity.leasing.strategies import one_pool

ROLE = frozenset({"worker"})
OFFERS = tuple(
    Offer(sku, "v", term, int(rent * cut), 1_000_000, {"cores": cores}, ROLE)
    for sku, cores, rent in (("s", 2.0, 1_000_000), ("l", 8.0, 3_600_000))
    for term, cut in ((1, 1.0), (6, 0.6))
)
PRICES = {"s": 2_500_000.0, "l": 9_000_000.0}


def _draws(seed: int, draws: int, months: int = 12) -> Needs:
    rng = np.random.default_rng(seed)
    level = (
        6 * rng.lognormal(0, 0.5, (draws, 1)) * np.maximum.accumulate(rng.lognormal(0, 0.2, (draws, months)), axis=1)
    )
    needs = one_pool([[1.0]] * months, spare=1, minimum=1)
    return replace(needs, amount=level[:, None, None, :, None], probability=np.full(draws, 1 / draws))


def _one(needs: Needs, s: int) -> Needs:
    return replace(needs, amount=needs.amount[s : s + 1], probability=np.ones(1))


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_quantiles_bracket_the_cost_of_every_draw_solved(seed: int) -> None:
    needs = _draws(seed, 25)
    found = cost_quantiles(needs, OFFERS, Rules(), tolerance=0.001)
    totals = [cover(_one(needs, s), OFFERS).money.total_idr for s in range(25)]
    for low, exact, high in zip(found.low_idr, quantiles_idr(totals, found.levels), found.idr, strict=True):
        assert low - 100 <= exact <= high + 100
        assert high - low <= 0.001 * high + 1
    assert list(found.idr) == sorted(found.idr)


def test_many_draws_take_few_programs() -> None:
    found = cost_quantiles(_draws(1, 5000), OFFERS, Rules(), tolerance=0.005)
    assert all(high - low <= 0.005 * high + 1 for low, high in zip(found.low_idr, found.idr, strict=True))
    assert found.solved < 200


def _scenarios(peaks: list[int], probability: list[float]) -> Needs:
    needs = one_pool([[1.0]] * 4, spare=0, minimum=0)
    amount = np.array([[2.0 * p, 2.0 * p, 2.0, 2.0] for p in peaks])
    return replace(needs, amount=amount[:, None, None, :, None], probability=np.array(probability))


def _exhaustive(needs: Needs, offers: tuple[Offer, ...], risk: Risk) -> float:
    """Least measure over all plans of one-month leases (they alone: any other is dominated in these problems)."""
    (offer,) = offers
    asked = np.ceil(needs.amount[:, 0, 0, :, 0] / offer.capacity["cores"]).astype(int)
    best = {}
    for held in itertools.product(range(int(asked.max()) + 1), repeat=needs.months):
        new = sum(max(0, b - a) for a, b in itertools.pairwise((0, *held)))
        lease = 1.1 * (sum(held) * offer.monthly_rent_idr + new * offer.setup_idr)
        best[held] = lease + risk.shortage_idr[offer.sku] * np.maximum(0, asked - np.array(held)).sum(axis=1)
    costs = np.array(list(best.values()))
    if risk.measure == "regret":
        return float((costs - costs.min(axis=0)).max(axis=1).min())
    if risk.measure == "expected":
        return float((costs @ needs.probability).min())
    tail = []
    for row in costs:
        worst, left, value = np.argsort(-row), 1.0, 0.0
        for s in worst:
            part = min(left, needs.probability[s] / (1 - risk.level))
            value, left = value + part * row[s], left - part
        tail.append(value)
    return min(tail)


@given(
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    st.sampled_from(["expected", "cvar", "regret"]),
    st.integers(5, 40),
    st.integers(0, 20),
)
@settings(max_examples=40)
def test_hedges_match_exhaustive_search(peaks: list[int], measure: str, price: int, setup: int) -> None:
    needs = _scenarios(peaks, [0.5, 0.3, 0.2])
    offers = (Offer("s", "v", 1, 1_000_000, setup * 100_000, {"cores": 2.0}, ROLE),)
    risk = Risk({"s": price * 100_000.0}, measure, 0.6)  # type: ignore[arg-type]
    found = hedge(needs, offers, Rules(), risk, Effort(gap=0.0, seconds=60.0))
    best = _exhaustive(needs, offers, risk)
    assert found.bound_idr <= best + 10
    assert found.value_idr >= best - 10
    if measure == "expected":
        assert found.value_idr == pytest.approx(best, abs=10), "totally unimodular: the LP is exact"


def _national(measure: str, price: float = 1.0) -> Hedge:
    needs = _draws(3, 20)
    risk = Risk({sku: price * p for sku, p in PRICES.items()}, measure, 0.8)  # type: ignore[arg-type]
    return hedge(needs, OFFERS, Rules(), risk, Effort(gap=0.001))


def test_measures_trade_cost_for_safety() -> None:
    expected, careful, regret = (_national(m) for m in ("expected", "cvar", "regret"))
    assert expected.total_idr.mean() <= careful.total_idr.mean() + 10
    assert np.sort(careful.total_idr)[-4:].mean() <= np.sort(expected.total_idr)[-4:].mean() + 10
    worst = {name: (h.total_idr - regret.foresight_idr).max() for name, h in (("regret", regret), ("mean", expected))}
    assert worst["regret"] <= worst["mean"] + 10
    assert np.all(regret.total_idr >= regret.foresight_idr - 10), "nobody beats foresight"
    for found in (expected, careful, regret):
        assert found.gap <= 0.02
        assert found.total_idr == pytest.approx(found.money.total_idr + found.shortage_idr, rel=1e-6)


def test_dearer_shortage_buys_more_servers() -> None:
    cheap, dear = _national("expected", 0.05), _national("expected", 50.0)
    assert cheap.money.total_idr < dear.money.total_idr
    assert cheap.shortage_idr.sum() > 0
    assert dear.shortage_idr == pytest.approx(np.zeros(20))


def test_what_cannot_be_hedged_is_refused() -> None:
    needs = _scenarios([1, 2, 3], [0.5, 0.3, 0.2])
    with pytest.raises(BadInput) as refusal:
        hedge(needs, OFFERS, Rules(ceilings_idr={2018: 1}), Risk({"s": -1.0}, level=1.0))
    text = str(refusal.value)
    for part in ("no price of shortage", "a price is negative", "is no level", "cannot be hedged"):
        assert part in text
