"""The FCFS simulation against a plain event list, against theory, and against Ciw."""

from __future__ import annotations

import ciw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.queueing import erlang_c, mmc_wait
from capacity.queueing.shapes import Shape
from capacity.simulation.fcfs import FcfsQueue, simulate_ggc
from capacity.simulation.output import Estimate, batch_mean, batch_quantile

TIMES = st.lists(st.floats(0, 10), min_size=1, max_size=60)


def plain_waits(gaps: list[float], services: list[float], c: int) -> list[float]:
    """First come first served by looking for the earliest free server each time."""
    free = [0.0] * c
    now, waits = 0.0, []
    for gap, service in zip(gaps, services, strict=True):
        now += gap
        server = free.index(min(free))
        start = max(now, free[server])
        waits.append(start - now)
        free[server] = start + service
    return waits


@given(gaps=TIMES, c=st.integers(1, 9), cut=st.integers(0, 60), data=st.data())
def test_waits_equal_a_plain_event_list_and_carry_over(
    gaps: list[float], c: int, cut: int, data: st.DataObject
) -> None:
    services = data.draw(st.lists(st.floats(0, 10), min_size=len(gaps), max_size=len(gaps)))
    a, s = np.array(gaps), np.array(services)
    queue = FcfsQueue(c)
    waits = np.concatenate([queue.waits(a[:cut], s[:cut]), queue.waits(a[cut:], s[cut:])])
    np.testing.assert_allclose(waits, plain_waits(gaps, services, c), atol=1e-9)


def agrees(estimate: Estimate, expected: float, factor: float = 2.0) -> bool:
    """Within `factor` half-widths of a 95 % interval: a right simulation fails about once in 10 000."""
    return abs(estimate.value - expected) <= factor * estimate.half_width


@pytest.mark.parametrize(("c", "rho"), [(1, 0.5), (1, 0.9), (4, 0.8), (64, 0.9)])
def test_markovian_queue(c: int, rho: float) -> None:
    run = simulate_ggc(rho * c, 1.0, c, customers=1_000_000, seed=c)
    assert agrees(run.wait_mean(), float(mmc_wait(rho * c, 1.0, c)))
    assert agrees(run.wait_probability(), float(erlang_c(c, rho * c)))
    if c == 1:
        assert agrees(run.response_quantile(0.95), np.log(20) / (1 - rho))


@pytest.mark.parametrize("shape", ["gamma", "lognormal", "phase"])
@pytest.mark.parametrize("scv", [0.0, 0.5, 3.0])
def test_single_server_with_general_service(shape: Shape, scv: float) -> None:
    """Pollaczek and Khinchine: E[W] = rho s (1 + cs2) / (2 (1 - rho)), whatever the shape."""
    run = simulate_ggc(0.7, 1.0, 1, 1.0, scv, customers=1_000_000, service_shape=shape, seed=3)
    assert agrees(run.wait_mean(), 0.7 * (1 + scv) / 2 / 0.3)
    assert agrees(run.wait_probability(), 0.7)


def test_constant_gaps_and_services_never_wait() -> None:
    assert simulate_ggc(3.9, 1.0, 4, 0.0, 0.0, customers=50_000).waits.max() == pytest.approx(0.0, abs=1e-9)


def test_seed_reproduces_and_matters() -> None:
    one, same, other = (simulate_ggc(3.0, 1.0, 4, customers=20_000, seed=s).waits for s in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("rate", "c"), [(4.0, 4), (5.0, 4), (0.1, 0)])
def test_no_steady_state_is_refused(rate: float, c: int) -> None:
    with pytest.raises(ValueError, match=r"steady state|whole servers"):
        simulate_ggc(rate, 1.0, c)


def test_same_queue_in_ciw() -> None:
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(2.4)],
        service_distributions=[ciw.dists.Gamma(0.5, 2.0)],
        number_of_servers=[3],
    )
    ciw.seed(1)
    peer = ciw.Simulation(network)
    peer.simulate_until_max_time(20_000)
    records = sorted(peer.get_all_records(), key=lambda r: r.arrival_date)
    theirs = batch_mean(np.array([r.waiting_time for r in records[2000:]]))
    ours = simulate_ggc(2.4, 1.0, 3, 1.0, 2.0, customers=2_000_000).wait_mean()
    assert abs(theirs.value - ours.value) <= 2 * (theirs.half_width + ours.half_width)


def test_batch_means_cover_the_truth() -> None:
    """Of 200 intervals over a first-order autoregressive series, about 95 % hold its mean of 0."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        noise = rng.standard_normal(20_000)
        series = np.empty_like(noise)
        level = 0.0
        for i, step in enumerate(noise):
            level = 0.6 * level + step
            series[i] = level
        held += abs(batch_mean(series).value) <= batch_mean(series).half_width
    assert 0.90 <= held / 200 <= 0.99


def test_batch_quantile_of_independent_values() -> None:
    values = np.random.default_rng(1).exponential(1.0, 200_000)
    estimate = batch_quantile(values, 0.95)
    assert agrees(estimate, np.log(20))
    assert estimate.relative < 0.02


def test_too_few_values_for_the_batches() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        batch_mean(np.ones(5))
