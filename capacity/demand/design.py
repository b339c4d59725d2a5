"""The design point: the rates and the application factor at which a phase, or the capacity of a month, is sized.

    rates = h E[r | L in band(q)] x Q_q(L) / E[L | L in band(q)],   L the pods' busiest hour                (D13)

Of all draws those near the design quantile of the pods' CPU load are averaged, so that the class rates, the application
factor and the hour belong together; a sum of each class's own quantile would describe a day that never comes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capacity.demand.model import Draws, Floats, World, surge_at
from capacity.demand.peaks import Peaks, running

WIDTH = 0.02


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """Class rates (journeys a second, headroom included), the application factor, and own peaks of the stations.

    `station_busy`: station → CPU servers busy in its own busiest hour at the design quantile, headroom included.
    `hour`: the hour (WIB) most often busiest among the averaged draws. `provinces`: share of the registrations' flow in
    that hour, largest first.
    """

    month: int
    hour: dt.datetime
    class_rates: Mapping[str, float]
    factor: float
    station_busy: Mapping[str, float]
    provinces: Mapping[str, float]


def held_points(place: World, draws: Draws, found: Peaks) -> list[DesignPoint]:
    """For every month, what the capacity held by then must carry: the largest hour so far, at the design quantile."""
    months = found.total.shape[1]
    largest = running(found.total)
    when = _where_largest(found.total)
    loads = running(found.load)
    return [_point(place, draws, found, largest[:, m], when[:, m], loads[:, :, m]) for m in range(months)]


def phase_point(place: World, draws: Draws, found: Peaks, months: range) -> DesignPoint:
    """The design point of one phase: the largest hour of its months."""
    inside = list(months)
    when = np.asarray(inside)[found.total[:, inside].argmax(axis=1)]
    return _point(place, draws, found, found.total[:, inside].max(axis=1), when, found.load[:, :, inside].max(axis=2))


def band(values: Floats, quantile: float, width: float = WIDTH) -> NDArray[np.int64]:
    """Draws whose value lies within `width` (in probability) of the quantile; at least one."""
    order = np.argsort(values, kind="stable")
    n = len(order)
    low = min(int((quantile - width) * n), n - 1)
    return np.asarray(order[low : max(low + 1, min(n, int(np.ceil((quantile + width) * n))))])


def _point(
    place: World, draws: Draws, found: Peaks, values: Floats, when: NDArray[np.int64], loads: Floats
) -> DesignPoint:
    launch = place.launch
    near = band(values, launch.design.quantile)
    rates = found.rates[:, near, when[near]].mean(axis=1)
    pods = np.array(found.costs.pods)
    fixed, scaled = (c[pods].sum(axis=0) for c in (found.costs.fixed, found.costs.scaled))
    # the level itself by interpolation, not by the band's mean, so that the point carries the quantile exactly
    level = float(np.quantile(values, launch.design.quantile))
    mean = float(values[near].mean())
    rates = rates * (level / mean if mean > 0 else 1.0)
    moving = float(rates @ scaled)
    factor = (level - float(rates @ fixed)) / moving if moving > 0 else launch.design.application_factor.p50
    own = np.quantile(loads, launch.design.quantile, axis=1)
    month, hour = _typical(found, near, when[near])
    head = launch.design.headroom
    return DesignPoint(
        month=month,
        hour=place.clock.moment(hour),
        class_rates={name: float(r) * head for name, r in zip(found.costs.classes, rates, strict=True)},
        factor=factor,
        station_busy={name: float(v) * head for name, v in zip(found.costs.stations, own, strict=True)},
        provinces=_provinces(place, draws.block(near), month, hour),
    )


def _where_largest(values: Floats) -> NDArray[np.int64]:
    """(D, M) month of the largest so far; the earliest of equals."""
    top = running(values)
    fresh = np.concatenate([np.ones((len(values), 1), bool), top[:, 1:] > top[:, :-1]], axis=1)
    return np.asarray(np.maximum.accumulate(np.where(fresh, np.arange(values.shape[1]), 0), axis=1))


def _typical(found: Peaks, near: NDArray[np.int64], when: NDArray[np.int64]) -> tuple[int, int]:
    hours, counts = np.unique(found.hour[near, when], return_counts=True)
    hour = int(hours[counts.argmax()])
    months, times = np.unique(when[found.hour[near, when] == hour], return_counts=True)
    return int(months[times.argmax()]), hour


def _provinces(place: World, draws: Draws, month: int, hour: int) -> dict[str, float]:
    """Share of each province in the flow of registrations in one hour, largest first."""
    launch = place.launch
    flow = np.zeros(place.size.shape[1:])
    for p, phase in enumerate(launch.phases):
        since = hour // 24 - (phase.start - place.clock.start).days
        surge = surge_at(draws, np.array([float(since)])).mean()
        weight = place.clock.weights["public"][:, hour]
        flow[p] = draws.share[:, p].mean(axis=0) * place.per_day[month, p] * surge * weight
    cohort = place.size.sum(axis=0)
    part = place.size * np.where(cohort > 0, flow / np.where(cohort > 0, cohort, 1.0), 0.0)
    by_province = part.sum(axis=(1, 2))
    total = float(by_province.sum())
    if total <= 0:
        return {}
    order = np.argsort(-by_province, kind="stable")
    return {place.provinces[c]: float(by_province[c]) / total for c in order if by_province[c] > 0}
