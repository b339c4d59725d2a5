"""Stated quantiles are reproduced exactly by the distribution, and within 0.1 % by its draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.assembly.assumptions import stated_inputs
from capacity.demand.model import draw_inputs, world
from capacity.demand.quantiles import JohnsonS, Metalog, distribution, johnson, metalog, metalog_feasible
from capacity.demand.sampling import Sampler
from capacity.launch import Quantiles
from tests.capacity.nation import launch, national

LEVELS = np.array([0.1, 0.5, 0.9])
GRID = np.linspace(1e-4, 1 - 1e-4, 4001)


@st.composite
def stated(draw: st.DrawFn) -> Quantiles:
    lower = draw(st.floats(0, 50))
    steps = [draw(st.floats(0.05, 40)) for _ in range(4)]
    p10, p50, p90, upper = lower + np.cumsum(steps)
    return Quantiles(
        p10=float(p10),
        p50=float(p50),
        p90=float(p90),
        lower=lower,
        upper=float(upper) if draw(st.booleans()) else None,
        unit="x",
        source="test",
    )


@given(stated())
def test_any_rising_triplet_is_reproduced_and_rises(q: Quantiles) -> None:
    chosen = distribution(q)
    assert np.allclose(chosen.quantile(LEVELS), [q.p10, q.p50, q.p90], rtol=1e-6)
    values = chosen.quantile(GRID)
    assert np.all(np.diff(values) >= -1e-9 * np.abs(values[1:]))
    assert values.min() >= q.lower
    assert q.upper is None or values.max() <= q.upper


@given(stated())
def test_feasibility_condition_is_that_of_a_rising_function(q: Quantiles) -> None:
    made = metalog(q.p10, q.p50, q.p90, q.lower, q.upper)
    r_is_far_from_the_edge = metalog_feasible(q.p10, q.p50, q.p90, q.lower, q.upper)
    slope = np.diff(made.a[0] + made.a[1] * _logit(GRID) + made.a[2] * (GRID - 0.5) * _logit(GRID))
    if r_is_far_from_the_edge:
        assert slope.min() > -1e-9


def _logit(y: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.log(y / (1 - y))


def test_falls_back_to_johnson_where_the_metalog_would_fall() -> None:
    skewed = Quantiles(p10=1.0, p50=1.05, p90=30.0, lower=0.9, unit="x", source="test")
    assert not metalog_feasible(1.0, 1.05, 30.0, 0.9)
    assert isinstance(distribution(skewed), JohnsonS)
    assert isinstance(distribution(launch().demand.busyness), Metalog)


def test_symmetric_johnson_is_a_lognormal() -> None:
    made = johnson(1.0, 2.0, 4.0, 0.0)
    assert made.quantile(0.5) == pytest.approx(2.0)
    assert np.log(made.quantile(0.95) / 2) == pytest.approx(-np.log(made.quantile(0.05) / 2))


def test_draws_of_every_input_of_the_plan_keep_its_quantiles_within_a_thousandth() -> None:
    place = world(national())
    drawn = draw_inputs(place, 10_000, 7)
    names = {
        "demand.adoption_level": drawn.level,
        "demand.month_peak": drawn.month_peak,
        "demand.within_hour_peak": drawn.within_hour,
        "demand.surge.first_day_multiple": drawn.first_day,
        "demand.surge.half_life_days": drawn.half_life,
        "demand.surge.peak_hour_multiple": drawn.peak_hour,
        "design.application_factor": drawn.application,
        **{f"classes.{k}.journeys_per_unit": v for k, v in drawn.per_unit.items()},
        "storage.document_kib": drawn.document_kib,
        "storage.database_kib_per_registration": drawn.database_kib,
        "people.support.contacts_per_registration": drawn.contacts,
        "people.support.handling_min": drawn.handling_min,
    }
    every = stated_inputs(launch())
    assert set(every) - set(names) == {"demand.busyness", "demand.province_spread"}
    for name, values in names.items():
        q = every[name]
        assert np.quantile(values, LEVELS) == pytest.approx([q.p10, q.p50, q.p90], rel=1e-3), name
    monthly = np.quantile(drawn.busyness, LEVELS, axis=0)
    b = launch().demand.busyness
    assert monthly == pytest.approx(np.repeat([[b.p10], [b.p50], [b.p90]], monthly.shape[1], axis=1), rel=1e-3)


def test_inputs_are_correlated_as_stated_and_streams_do_not_disturb_each_other() -> None:
    q = launch().demand.busyness
    one, other = Sampler(3, 20_000, 0.3), Sampler(3, 20_000, 0.3)
    a, b = one.draw("a", q), one.draw("b", q)
    assert np.corrcoef(_rank(a), _rank(b))[0, 1] == pytest.approx(0.29, abs=0.03)
    other.draw("something else", q)
    assert np.array_equal(other.draw("a", q), a)
    assert not np.array_equal(Sampler(4, 20_000, 0.3).draw("a", q), a)


def _rank(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.argsort(np.argsort(x))


def test_persistence_of_busyness() -> None:
    values = Sampler(1, 20_000, 0.0).persistent("b", launch().demand.busyness, 6, 0.7)
    assert np.corrcoef(_rank(values[:, 2]), _rank(values[:, 3]))[0, 1] == pytest.approx(0.68, abs=0.03)
    assert np.corrcoef(_rank(values[:, 0]), _rank(values[:, 5]))[0, 1] == pytest.approx(0.7**5, abs=0.05)
