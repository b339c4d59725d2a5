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

from capacity.demand.peaks import amplification
from capacity.launch import EndpointPlan, Launch, TrafficClassPlan
from capacity.queueing import network_response_moments, network_response_tail
from capacity.sizing.predict import legs
from capacity.sizing.serving import Serving, servings
from capacity.sizing.size import Size
from capacity.sizing.workload import Workload, workload

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
    whether_only: bool = False,
) -> Amplified:
    """Rates at the fixed point of (C4), at given sizes. `class_rates` hold the retries of a healthy service already.

    With `whether_only` it stops as soon as a station is full: whether it collapses is then known, not how far.
    """
    slow = dict.fromkeys(class_rates, 0.0)
    work = workload(launch, endpoints, class_rates, factor)
    for _ in range(ROUNDS):
        grown = {
            kind.id: class_rates[kind.id] * amplification(kind, slow[kind.id]) / amplification(kind, 0.0)
            for kind in launch.classes
        }
        work = workload(launch, endpoints, grown, factor)
        if whether_only and _fullest(work, sizes) >= 1.0:
            break
        at = servings(launch, work, sizes)
        now = {kind.id: _slow_share(launch, endpoints, kind, at, work, sizes) for kind in launch.classes}
        done = all(abs(now[k] - slow[k]) < CLOSE for k in slow)
        slow = now
        if done:
            break
    meant = _calls(workload(launch, endpoints, class_rates, factor))
    made = _calls(work)
    return Amplified(work, made / meant if meant else 1.0, _fullest(work, sizes) < 1.0, slow)


def _fullest(work: Workload, sizes: Mapping[str, Size]) -> float:
    return max(float(at.busy(work.stations[name])[0] / at.total[0]) for name, at in sizes.items())


def _calls(work: Workload) -> float:
    return float(np.sum([rate[0] for rate in work.endpoint_rates.values()]))


def _slow_share(
    launch: Launch,
    endpoints: Sequence[EndpointPlan],
    kind: TrafficClassPlan,
    at: Mapping[str, Serving],
    work: Workload,
    sizes: Mapping[str, Size],
) -> float:
    """Share of the class's calls that take longer than its timeout."""
    by_id = {e.id: e for e in endpoints}
    stations = {s.id: s for s in launch.stations}
    late = calls = 0.0
    for visit in kind.journey:
        path = legs(by_id[visit.endpoint], by_id, stations, at, work, sizes)
        mean, variance = (float(np.asarray(v).reshape(-1)[0]) for v in network_response_moments(path))
        if not mean + NEVER * variance**0.5 < kind.retries.timeout_s:
            tail = float(np.asarray(network_response_tail(kind.retries.timeout_s, path)).reshape(-1)[0])
            late += visit.count * tail
        calls += visit.count
    return late / calls
