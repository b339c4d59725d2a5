"""Processor sharing: laws that hold exactly, and the formulas against a simulation of sharing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.queueing import (
    NO_WAIT,
    Leg,
    mmc_wait,
    network_response_moments,
    network_response_quantile,
    sharing,
    sharing_moments,
    sharing_response_quantile,
    sharing_slowdown,
)
from capacity.queueing.shapes import SHAPES, Shape, quantile
from capacity.simulation.sharing import STANDING_SHARE, Group, Route, Step, simulate_sharing

LOADS = st.floats(0.05, 0.8)
SPREADS = st.floats(0.3, 4.0)


def simulated(rho: float, cs2: float, shape: Shape = "gamma", calls: int = 150_000, seed: int = 0) -> np.ndarray:
    """Response times at one shared server, in mean services."""
    route = Route(rho, [Step((0,), 1.0, cs2, shape=shape)])
    return np.asarray(simulate_sharing([Group()], {"call": route}, calls / rho, seed=seed).responses["call"])


@given(load=LOADS, servers=st.integers(1, 64))
def test_with_exponential_services_the_mean_is_that_of_first_come_first_served(load: float, servers: int) -> None:
    busy = load * servers
    assert sharing_slowdown(busy, servers) == pytest.approx(1 + mmc_wait(busy, 1.0, servers), rel=1e-9)


@given(rho=LOADS, cs2=SPREADS, small=st.floats(0.01, 1.0), factor=st.floats(1.0, 50.0))
def test_all_sizes_are_slowed_alike_and_the_long_vary_less(rho: float, cs2: float, small: float, factor: float) -> None:
    short, long = (sharing_moments(x, rho, 1.0, cs2) for x in (small, small * factor))
    assert short.mean / small == pytest.approx(1 / (1 - rho))
    assert long.mean / (small * factor) == pytest.approx(1 / (1 - rho))
    assert long.variance / long.mean**2 <= short.variance / short.mean**2 * (1 + 1e-9)


def test_the_variance_of_exponential_services() -> None:
    """Over all sizes, 1 / (1 - rho)^2 (2 + rho) / (2 - rho) (Coffman, Muntz and Trotter 1970)."""
    x = np.random.default_rng(1).exponential(1.0, 200_000)
    for rho in (0.3, 0.6, 0.8):
        mean, variance = sharing_moments(x, rho, 1.0)
        whole = variance.mean() + mean.var()
        assert whole == pytest.approx((2 + rho) / (2 - rho) / (1 - rho) ** 2, rel=0.02)


@settings(max_examples=8, deadline=None)
@given(rho=LOADS, cs2=SPREADS, shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
def test_the_mean_does_not_depend_on_the_law_of_services(rho: float, cs2: float, shape: Shape, seed: int) -> None:
    assert simulated(rho, cs2, shape, seed=seed).mean() == pytest.approx(1 / (1 - rho), rel=0.08)


@settings(max_examples=8, deadline=None)
@given(rho=LOADS, cs2=SPREADS, shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
def test_percentiles_against_simulation(rho: float, cs2: float, shape: Shape, seed: int) -> None:
    times = simulated(rho, cs2, shape, seed=seed)
    ours = sharing_response_quantile([0.5, 0.95, 0.99], rho, 1.0, cs2, shape)
    assert ours == pytest.approx(np.quantile(times, [0.5, 0.95, 0.99]), rel=0.1)


def test_the_slowdown_of_a_short_call_beside_long_ones() -> None:
    """First come, first served would make the short one wait for half a long one every other time."""
    routes = {"short": Route(5.0, [Step((0,), 0.01, 0.0)]), "long": Route(0.45, [Step((0,), 1.0, 0.0)])}
    times = simulate_sharing([Group()], routes, 200_000).responses
    for name, service in (("short", 0.01), ("long", 1.0)):
        assert times[name].mean() == pytest.approx(service / (1 - 0.5), rel=0.04)


def test_shared_servers_slow_as_erlang_says() -> None:
    times = simulate_sharing([Group(width=3)], {"call": Route(2.4, [Step((0,), 1.0, 2.0)])}, 80_000).responses["call"]
    assert times.mean() == pytest.approx(float(sharing_slowdown(2.4, 3)), rel=0.05)


def test_overload_has_no_steady_state() -> None:
    assert np.isinf(sharing_slowdown(3.0, 3.0))
    assert np.isinf(sharing_response_quantile(0.95, 1.0, 1.0))
    assert np.isinf(sharing_moments(1.0, 2.0, 1.0).mean)


@given(rho=LOADS, servers=st.sampled_from((1, 2, 8)), own=st.floats(0.05, 20.0), spread=SPREADS)
def test_the_slowing_of_a_leg_has_the_moments_of_its_formulas(
    rho: float, servers: int, own: float, spread: float
) -> None:
    """With exponential services (Q21) is (Q19) averaged over the law of the request's own service."""
    leg = Leg(NO_WAIT, own, spread, 1.0, sharing(rho * servers, 1.0, 1.0, servers).slowing(own, spread))
    below = (np.arange(4000) + 0.5) / 4000
    x = quantile("gamma", below, own, spread)
    mean, variance = sharing_moments(x, rho * servers, 1.0, 1.0, servers)
    found = network_response_moments([leg])
    assert found.mean == pytest.approx(mean.mean(), rel=0.01)
    assert found.variance == pytest.approx(variance.mean() + mean.var(), rel=0.05)


@pytest.mark.parametrize("servers", [1, 4, 16])
@pytest.mark.parametrize("rho", [0.4, 0.6, 0.8])
def test_calls_of_each_length_against_simulation(servers: int, rho: float) -> None:
    """A mixture as the portal's: many short calls, a few that are twenty times as long."""
    kinds = {"short": (0.7, 0.01), "middle": (0.2, 0.06), "long": (0.1, 0.25)}
    mean = sum(share * x for share, x in kinds.values())
    scv = sum(share * 1.3 * x**2 for share, x in kinds.values()) / mean**2 - 1
    rate = rho * servers / mean
    routes = {name: Route(rate * share, [Step((0,), x, 0.3)]) for name, (share, x) in kinds.items()}
    times = simulate_sharing([Group(width=servers)], routes, 400_000 / rate).responses
    met = sharing(rho * servers, mean, scv, servers)
    for name, (_, x) in kinds.items():
        leg = Leg(NO_WAIT, x, 0.3, 1.0, met.slowing(x, 0.3))
        assert network_response_moments([leg]).mean == pytest.approx(times[name].mean(), rel=0.04), name
        for q, within in ((0.5, 0.06), (0.95, 0.09), (0.99, 0.14)):
            assert network_response_quantile(q, [leg]) == pytest.approx(np.quantile(times[name], q), rel=within), name


def test_an_overloaded_leg_has_no_steady_state() -> None:
    leg = Leg(NO_WAIT, 0.1, 1.0, 1.0, sharing([0.5, 1.0, 2.0], 1.0).slowing(0.1))
    assert np.isfinite(network_response_quantile(0.95, [leg])).tolist() == [True, False, False]


def test_a_balancer_keeps_calls_off_the_busy_server() -> None:
    """Two servers behind least connections: better than a random split, not better than one queue for both (Q2)."""
    steps = [Step((0, 1), 1.0)]
    groups = [Group(), Group()]
    split, fewest = (
        simulate_sharing(groups, {"call": Route(1.4, steps, balanced)}, 100_000).responses["call"].mean()
        for balanced in ((), (0, 1))
    )
    assert split == pytest.approx(1 / (1 - 0.7), rel=0.05)
    assert 1 + mmc_wait(1.4, 1.0, 2) < fewest < 0.75 * split


def test_a_call_stays_with_its_server_while_it_waits_elsewhere() -> None:
    """Rare calls that think for long: two at once are never at one server, and each comes back to its own."""
    steps = [Step((0, 1), 1.0, 0.0), Step((), 8.0, 0.0), Step((0, 1), 1.0, 0.0)]
    routes = {"call": Route(0.02, steps, (0, 1))}
    times = simulate_sharing([Group(), Group()], routes, 100_000).responses["call"]
    assert np.mean(times < 10 + 1e-6) > 0.98  # three at once are rarer
    random = simulate_sharing([Group(), Group()], {"call": Route(0.02, steps)}, 100_000).responses["call"]
    assert np.mean(random < 10 + 1e-6) < 0.95


@pytest.mark.parametrize("cores", [1, 2])
def test_a_process_that_wakes_mostly_takes_a_core_and_else_waits_for_a_tick(cores: int) -> None:
    """Short calls beside as many hogs as cores, which run for ever but for them."""
    groups = [Group(width=cores), Group()]
    routes = {"hog": Route(cores * 1e-3, [Step((0,), 1e4, 0.0)]), "short": Route(0.05, [Step((1,), 1e-6, 0.0)])}
    times = simulate_sharing(groups, routes, 4e5, cores=cores, slice_s=1.0, seed=3).responses["short"]
    waited = times[times > 1e-3]
    assert len(waited) / len(times) == pytest.approx(STANDING_SHARE, rel=0.1)
    assert waited.mean() == pytest.approx(0.5, rel=0.05)
    assert waited.max() < 1.0 + 1e-3


def test_those_that_wait_take_turns() -> None:
    """Four processes with work for seconds, on one core and on two: each has its share, a slice at a time."""
    for cores in (1, 2):
        routes = {str(g): Route(1e-3, [Step((g,), 10.0, 0.0)]) for g in range(4)}
        times = simulate_sharing([Group()] * 4, routes, 400_000, cores=cores).responses
        together = np.concatenate(list(times.values()))
        one = {"all": Route(4e-3, routes["0"].steps)}
        shared = simulate_sharing([Group(width=cores)], one, 400_000).responses["all"]
        assert together.mean() == pytest.approx(shared.mean(), rel=0.02)


def test_threads_do_not_slow_the_loop_where_cores_are_plenty() -> None:
    """Loop and threads are then two servers of their own (Q18), whatever the other has to do."""
    routes = {"loop": Route(0.6, [Step((0,), 1.0)]), "hash": Route(0.2, [Step((0,), 4.0, in_thread=True)])}
    times = simulate_sharing([Group(threads=64)], routes, 300_000).responses
    assert times["loop"].mean() == pytest.approx(1 / (1 - 0.6), rel=0.03)
    assert times["hash"].mean() == pytest.approx(4.0, rel=0.02)


def test_a_core_is_shared_by_thread_and_not_by_call() -> None:
    """Kleinrock's conservation law for exponential services of one mean: who gets what of a core leaves the number of
    calls in it as it is, rho / (1 - rho). The thread of each call weighs as much as the loop with all of its calls.
    """
    routes = {"loop": Route(0.5, [Step((0,), 1.0)]), "thread": Route(0.3, [Step((0,), 1.0, in_thread=True)])}
    times = simulate_sharing([Group(threads=64)], routes, 400_000, cores=1).responses
    calls = sum(routes[name].rate * times[name].mean() for name in routes)
    assert calls == pytest.approx(0.8 / 0.2, rel=0.05)
    assert times["thread"].mean() < 0.75 * times["loop"].mean()


def test_threads_and_loop_use_one_quota() -> None:
    """Calls in threads meet the stops that as many processes of the group would."""
    loop, thread = Step((0,), 0.01), Step((0,), 0.01, in_thread=True)
    threads = simulate_sharing([Group(1, 0.5, threads=2)], {"call": Route(20, [thread])}, 500)
    processes = simulate_sharing([Group(2, 0.5)], {"call": Route(20, [loop])}, 500)
    assert np.allclose(threads.responses["call"], processes.responses["call"])
    assert threads.throttled == pytest.approx(processes.throttled)
    both = {"hash": Route(10, [thread]), "call": Route(10, [loop])}
    shared = simulate_sharing([Group(1, 0.5, threads=2)], both, 500)
    assert len(shared.throttled) == 1
    assert shared.throttled[0] > 0.05


def test_a_call_in_a_thread_stays_with_the_group_that_the_balancer_gave_it() -> None:
    """Least connections counts it, so two such calls at once are never at one group."""
    steps = [Step((0, 1), 1.0, 0.0), Step((0, 1), 8.0, 0.0, in_thread=True)]
    groups = [Group(threads=1), Group(threads=1)]
    times = simulate_sharing(groups, {"call": Route(0.02, steps, (0, 1))}, 100_000).responses["call"]
    assert np.mean(times < 9 + 1e-6) > 0.97  # three at once are rarer


def test_a_step_in_threads_of_a_group_without_any_is_refused() -> None:
    with pytest.raises(ValueError, match="threads of a group that has none"):
        simulate_sharing([Group()], {"call": Route(1.0, [Step((0,), 1.0, name="hash", in_thread=True)])}, 10)
