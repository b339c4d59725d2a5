"""The search over a few dozen hours a month finds what a walk over every hour finds; volumes balance."""

from __future__ import annotations

import numpy as np
import pytest

from capacity.demand.design import held_points, phase_point
from capacity.demand.hourly import hourly_journeys, median_draw
from capacity.demand.model import Draws, World, draw_inputs, reached, registrations, surge_at, world
from capacity.demand.peaks import Peaks, amplification, peaks
from capacity.sizing.workload import journey_costs
from tests.capacity.nation import launch, national

DRAWS = 40


@pytest.fixture(scope="module")
def place() -> World:
    return world(national())


@pytest.fixture(scope="module")
def draws(place: World) -> Draws:
    return draw_inputs(place, DRAWS, 11)


@pytest.fixture(scope="module")
def found(place: World, draws: Draws) -> Peaks:
    costs = journey_costs(launch(), launch().endpoints)
    return peaks(place, draws, costs, registrations(place, draws))


def walked(place: World, draws: Draws, d: int, month: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(K, H) journeys a second of one draw in every hour of one month, province by province."""
    plan = place.launch
    first = (place.months[month] - place.clock.start).days * 24
    after = place.months[month + 1] if month + 1 < len(place.months) else plan.horizon_end()
    hours = np.arange(first, (after - place.clock.start).days * 24)
    out = np.zeros((len(plan.classes), len(hours)))
    for k, kind in enumerate(plan.classes):
        calls = float(draws.per_unit[kind.id][d]) * amplification(kind, 0.0) * float(draws.within_hour[d]) / 3600
        if kind.driver != "registrations":
            people = float(kind.units or 0) * float(reached(place)[month]) * float(draws.busyness[d, month])
            out[k] = people * place.clock.weights[kind.profile][0, hours] * calls
            continue
        level = float(draws.level[d] * draws.month_peak[d] * draws.busyness[d, month])
        for p, phase in enumerate(plan.phases):
            start = (phase.start - place.clock.start).days
            since = (hours // 24 - start).astype(float)
            surge = surge_at(draws.block(slice(d, d + 1)), since)[0]
            opening = hours == start * 24 + plan.demand.surge.opening_hour
            surge = np.where(opening, surge * draws.peak_hour[d], surge)
            live = hours >= start * 24 + plan.demand.surge.opening_hour
            for z in range(3):
                adopted = level * float(draws.share[d, p, z]) * float(place.per_day[month, p])
                out[k] += adopted * place.clock.weights[kind.profile][z, hours] * surge * live * calls
    return out


@pytest.mark.parametrize("month", [0, 1, 2, 4, 7, 9, 20, 35])
def test_the_search_finds_the_busiest_hour_of_all(place: World, draws: Draws, found: Peaks, month: int) -> None:
    costs = found.costs
    pods = np.array(costs.pods)
    for d in range(0, DRAWS, 13):
        rates = walked(place, draws, d, month)
        cost = costs.fixed + costs.scaled * draws.application[d]
        busy = cost @ rates
        assert found.load[:, d, month] == pytest.approx(busy.max(axis=1), rel=1e-9)
        assert found.total[d, month] == pytest.approx(busy[pods].sum(axis=0).max(), rel=1e-9)
        first = (place.months[month] - place.clock.start).days * 24
        at = int(found.hour[d, month]) - first
        assert found.rates[:, d, month] == pytest.approx(rates[:, at], rel=1e-9)


def test_nothing_comes_before_the_launch(found: Peaks) -> None:
    assert found.total[:, 0].max() == 0
    assert found.total[:, 1].min() > 0


def test_hours_provinces_and_months_keep_the_volume(place: World) -> None:
    central = median_draw(place)
    volume = float(registrations(place, central).sum())
    kind = next(c for c in launch().classes if c.id == "callbacks")
    a_registration = float(central.per_unit["callbacks"][0]) * amplification(kind, 0.0)
    by_province = dict(hourly_journeys(national(), place, "callbacks"))
    assert len(by_province) == 34
    assert sum(float(v.sum()) for v in by_province.values()) == pytest.approx(volume * a_registration, rel=0.01)


def test_design_points_carry_the_quantile(place: World, draws: Draws, found: Peaks) -> None:
    costs = found.costs
    pods = np.array(costs.pods)
    months = range(7, 36)
    point = phase_point(place, draws, found, months)
    rates = np.array([point.class_rates[k] for k in costs.classes])
    load = float((costs.fixed[pods] + point.factor * costs.scaled[pods]).sum(axis=0) @ rates)
    wanted = np.quantile(found.total[:, 7:].max(axis=1), launch().design.quantile) * launch().design.headroom
    assert load == pytest.approx(wanted, rel=1e-6)
    assert sum(point.provinces.values()) == pytest.approx(1.0)
    held = [
        float(
            (costs.fixed[pods] + p.factor * costs.scaled[pods]).sum(axis=0) @ [p.class_rates[k] for k in costs.classes]
        )
        for p in held_points(place, draws, found)
    ]
    assert np.all(np.diff(held) >= -1e-9)


def test_same_seed_same_draws_and_blocks_do_not_matter(place: World, draws: Draws, found: Peaks) -> None:
    again = draw_inputs(place, DRAWS, 11)
    assert np.array_equal(again.share, draws.share)
    some = draws.block(slice(5, 9))
    part = peaks(place, some, found.costs, registrations(place, some))
    assert np.allclose(part.total, found.total[5:9], rtol=1e-12)
