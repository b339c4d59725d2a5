"""Retry amplification: clients that wait too long call again, and make the wait longer.

    r' = r a(f) / a(f_0),   f = 1 - (1 - f_0)(1 - P(T > timeout; r'))                                      (C4)

a is the amplification of (D8), f_0 what the network loses anyway, T the response time at the rates r'. The fixed point
is sought from below: the load that builds up on a service that was healthy. A service that has no fixed point below
saturation collapses under its own retries although the first calls alone might have been served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capacity.demand.peaks import amplification
from capacity.launch import EndpointPlan, Launch
from capacity.queueing import network_response_moments, network_response_tail
from capacity.sizing.predict import legs
from capacity.sizing.serving import servings
from capacity.sizing.size import Size
from capacity.sizing.workload import Floats, Workload, workload

Rates = Floats | float

ROUNDS = 60
CLOSE = 1e-4
NEVER = 14.0
"""Standard deviations above the mean beyond which nothing is late: exp(-14) of an exponential tail."""


@dataclass(frozen=True, slots=True)
class Amplified:
    """The load with its retries. `growth`: calls made over calls meant. `stable`: a fixed point below saturation."""

    work: Workload
    growth: float
    stable: bool
    slow: Mapping[str, float]


def with_retries(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    class_rates: Mapping[str, float],
    factor: float,
    sizes: Mapping[str, Size],
) -> Amplified:
    """Rates at the fixed point of (C4), at given sizes. `class_rates` hold the retries of a healthy service already."""
    slow = {name: np.zeros(1) for name in class_rates}
    work = workload(launch, endpoints, class_rates, factor)
    for _ in range(ROUNDS):
        work = workload(launch, endpoints, _grown(launch, class_rates, slow), factor)
        now = _slow_shares(launch, endpoints, work, sizes)
        done = _same(now, slow)[0]
        slow = now
        if done:
            break
    meant = _calls(workload(launch, endpoints, class_rates, factor))
    made = _calls(work)
    shares = {name: float(share[0]) for name, share in slow.items()}
    return Amplified(work, made / meant if meant else 1.0, bool(_fullest(work, sizes)[0] < 1.0), shares)


def holds(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    class_rates: Mapping[str, float],
    factor: float,
    sizes: Mapping[str, Size],
    times: Floats,
) -> NDArray[np.bool_]:
    """(W,) Whether (C4) has a fixed point below saturation at each of the multiples `times` of the rates.

    All at once; a multiple is done with as soon as a station is full, or its rates stand.
    """
    out = np.ones(len(times), bool)
    left = np.arange(len(times))
    slow = {name: np.zeros(len(times)) for name in class_rates}
    for _ in range(ROUNDS):
        rates = {name: rate * times[left] for name, rate in class_rates.items()}
        work = workload(launch, endpoints, _grown(launch, rates, slow), factor)
        full = _fullest(work, sizes) >= 1.0
        out[left[full]] = False
        if full.any():
            left, slow = left[~full], {name: share[~full] for name, share in slow.items()}
        else:
            now = _slow_shares(launch, endpoints, work, sizes)
            moving = ~_same(now, slow)
            left, slow = left[moving], {name: share[moving] for name, share in now.items()}
        if not len(left):
            break
    return out


def _grown(launch: Launch, class_rates: Mapping[str, Rates], slow: Mapping[str, Floats]) -> dict[str, Rates]:
    return {
        kind.id: class_rates[kind.id] * amplification(kind, slow[kind.id]) / amplification(kind, 0.0)
        for kind in launch.classes
    }


def _same(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> NDArray[np.bool_]:
    return np.asarray(np.all([np.abs(one[name] - other[name]) < CLOSE for name in one], axis=0))


def _fullest(work: Workload, sizes: Mapping[str, Size]) -> Floats:
    return np.asarray(np.max([at.busy(work.stations[name]) / at.total for name, at in sizes.items()], axis=0))


def _calls(work: Workload) -> float:
    return float(np.sum([rate[0] for rate in work.endpoint_rates.values()]))


def _slow_shares(
    launch: Launch, endpoints: Sequence[EndpointPlan], work: Workload, sizes: Mapping[str, Size]
) -> dict[str, Floats]:
    """Share of each class's calls that take longer than its timeout, (W,)."""
    by_id = {e.id: e for e in endpoints}
    stations = {s.id: s for s in launch.stations}
    at = servings(launch, work, sizes)
    out = {}
    for kind in launch.classes:
        late, calls = np.zeros(work.factor.shape), 0.0
        for visit in kind.journey:
            path = legs(by_id[visit.endpoint], by_id, stations, at, work, sizes)
            mean, variance = network_response_moments(path)
            if not np.all(mean + NEVER * np.sqrt(variance) < kind.retries.timeout_s):
                late = late + visit.count * network_response_tail(kind.retries.timeout_s, path)
            calls += visit.count
        out[kind.id] = late / calls
    return out
