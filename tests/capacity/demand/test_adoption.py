"""Bass adoption: the curve, the fit, and the hindcast that judges it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.demand.adoption import Bass, Period, fit_bass, hindcast
from capacity.demand.model import published_periods, world
from tests.capacity.nation import launch, national

PRIOR = launch().demand.adoption


@given(st.floats(0.001, 0.05), st.floats(0.1, 1.2))
def test_share_rises_from_nothing_to_all(p: float, q: float) -> None:
    bass = Bass(1e6, p, q)
    years = np.linspace(-1, 300, 600)
    share = bass.share(years)
    assert share[0] == 0
    assert np.all(np.diff(share) >= 0)
    assert share[-1] == pytest.approx(1.0, abs=1e-3)


def test_fit_finds_a_known_curve() -> None:
    true = Bass(2e7, 0.01, 0.45)
    periods = [Period(str(n), n, n + 1, float(true.per_day(n, n + 1))) for n in range(8)]
    loose = PRIOR.model_copy(update={"imitation_log_sd": 50.0})
    found = fit_bass(periods, 2e7, loose)
    assert (found.p, found.q) == pytest.approx((0.01, 0.45), rel=1e-4)


def test_published_series_is_read_in_order_with_its_half_years() -> None:
    periods = published_periods(national())
    assert [p.label for p in periods] == ["2018", "2019", "2020", "2021", "2022", "2023", "2024-01..06"]
    assert periods[0].end == 0.5
    assert periods[-1].end - periods[-1].start == pytest.approx(0.5)
    assert [p.per_day for p in periods] == [829, 1927, 4143, 5932, 6785, 11096, 13210]


def test_hindcast_predicts_only_from_the_early_years() -> None:
    periods = published_periods(national())
    changed = [*periods[:3], *(Period(p.label, p.start, p.end, p.per_day * 9) for p in periods[3:])]
    a, b = hindcast(periods, 2.6e7, PRIOR), hindcast(changed, 2.6e7, PRIOR)
    assert [h.predicted for h in a] == [h.predicted for h in b]
    assert all(len(h.fitted_on) == PRIOR.hindcast_periods for h in a)


def test_fit_of_the_nation_is_within_the_stated_level() -> None:
    place = world(national())
    level = launch().demand.adoption_level
    for p in published_periods(national()):
        ratio = p.per_day / float(place.bass.per_day(p.start, p.end))
        assert level.p10 < ratio < level.p90, p.label
