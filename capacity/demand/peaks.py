"""The busiest hour of every month, for every draw and station, over every hour of the horizon.

    load_s(d, t) = w_d sum_p S_p(d, t) sum_z A_pz(d, m) sum_k n_k(d) c_sk(d) h_kz(t)                        (D7)

A adopted registrations a day, S the launch surge, n journeys a registration, c CPU seconds a journey at station s, h
the hour's weight, w the busiest minutes of the hour. Only hours that no other hour of the month dominates in every
cohort and profile can be the busiest: a few dozen a month, and the maximum over them is the maximum over all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capacity.demand.model import Draws, Floats, World, reached, surge_at
from capacity.launch import TrafficClassPlan, add_months
from capacity.progress import Progress

Share = TypeVar("Share", float, Floats)

BLOCK = 1000
"""Draws that go through the search together."""
SURGE_DAYS = 400
"""A surge older than this no longer tells one day from another."""


@dataclass(frozen=True, slots=True)
class JourneyCosts:
    """What one journey of class k costs at station s: `fixed[s, k] + application * scaled[s, k]` CPU seconds."""

    stations: tuple[str, ...]
    classes: tuple[str, ...]
    pods: tuple[bool, ...]
    fixed: Floats
    scaled: Floats


@dataclass(frozen=True, slots=True)
class Peaks:
    """`load[s, d, m]`: CPU servers busy at station s in its own busiest hour. `total[d, m]`: all pods together, in the
    hour that is busiest for them. `rates[k, d, m]`: journeys a second in that hour; `hour[d, m]`: its index (WIB).
    `busiest_day[d, m]`: registrations on the month's busiest day. `volume[d, m]`: registrations of the month.
    """

    costs: JourneyCosts
    load: Floats
    total: Floats
    rates: Floats
    hour: NDArray[np.int64]
    busiest_day: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class _Month:
    """Candidate hours of a month: `hours` (H,), `days_since[p]` (H,), `opening[p]` (H,), `live[p]` (H,)."""

    hours: NDArray[np.int64]
    days_since: Floats
    opening: NDArray[np.bool_]
    live: NDArray[np.bool_]


def peaks(place: World, draws: Draws, costs: JourneyCosts, volume: Floats, progress: Progress | None = None) -> Peaks:
    """Search every month. Draws go through in blocks that fit the processor's cache, as many at a time as there are
    processors; a block's figures do not depend on the others'. Nothing loops over draws.
    """
    months, classes = len(place.months), len(costs.classes)
    months_found = [_candidates(place, m) for m in range(months)]
    out = Peaks(
        costs,
        # months before draws in memory, so that a block of draws is written in one piece
        load=np.empty((len(costs.stations), months, draws.count)).swapaxes(1, 2),
        total=np.empty((months, draws.count)).T,
        rates=np.zeros((classes, months, draws.count)).swapaxes(1, 2),
        hour=np.zeros((months, draws.count), dtype=np.int64).T,
        busiest_day=np.empty((months, draws.count)).T,
        volume=volume,
    )
    part = reached(place)
    days = [_busy_days(place, m) for m in range(months)]

    def search(first: int) -> None:
        block = slice(first, first + BLOCK)
        some = draws.block(block)
        flows = _flows(place, some, costs)
        for m, found in enumerate(months_found):
            _search(place, some, costs, flows, found, m, part[m], out, block)
            out.busiest_day[block, m] = _busiest_day(place, some, m, days[m])

    blocks = range(0, draws.count, BLOCK)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for n, _ in enumerate(pool.map(search, blocks), start=1):
                if progress:
                    progress.update("busiest hours", n, len(blocks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return out


@dataclass(frozen=True, slots=True)
class _Flow:
    """Classes that rise and fall together. `members[k]`: row of the class → (D,) its journeys a unit, retries included;
    `weight[s]` (D,): CPU seconds at station s for one unit of the flow."""

    profile: str
    surges: bool
    stated: bool
    members: Mapping[int, Floats]
    weight: Floats


def _flows(place: World, draws: Draws, costs: JourneyCosts) -> list[_Flow]:
    """Registrations (and separately people and projects) by profile and surge."""
    cost = costs.fixed[:, :, None] + costs.scaled[:, :, None] * draws.application  # (S, K, D)
    groups: dict[tuple[str, bool, bool], dict[int, Floats]] = {}
    for n, kind in enumerate(place.launch.classes):
        stated = kind.driver != "registrations"
        journeys = draws.per_unit[kind.id] * amplification(kind, 0.0) * (float(kind.units or 0) if stated else 1.0)
        groups.setdefault((kind.profile, kind.surges and not stated, stated), {})[n] = journeys
    return [
        _Flow(*key, members, np.asarray(sum(cost[:, n] * journeys for n, journeys in members.items())))
        for key, members in groups.items()
    ]


def _search(
    place: World,
    draws: Draws,
    costs: JourneyCosts,
    flows: Sequence[_Flow],
    found: _Month,
    m: int,
    part: float,
    out: Peaks,
    block: slice,
) -> None:
    """The busiest of the candidate hours for every draw of a block, into `out`."""
    every = np.arange(draws.count)
    scale = draws.level * draws.month_peak * draws.busyness[:, m] * draws.within_hour / 3600
    adopted = draws.share * place.per_day[m][None, :, None] * scale[:, None, None]
    people = draws.busyness[:, m] * draws.within_hour * part / 3600
    spread = [
        people[:, None] * place.clock.weights[flow.profile][0, found.hours]
        if flow.stated
        else _spread(place, draws, found, adopted, flow.profile, flow.surges)
        for flow in flows
    ]
    total = np.zeros((draws.count, len(found.hours)))
    busy, part_of = np.empty_like(total), np.empty_like(total)
    for s in range(len(costs.stations)):
        np.multiply(flows[0].weight[s][:, None], spread[0], out=busy)
        for flow, rate in zip(flows[1:], spread[1:], strict=True):
            np.multiply(flow.weight[s][:, None], rate, out=part_of)
            busy += part_of
        out.load[s, block, m] = busy.max(axis=1)
        if costs.pods[s]:
            total += busy
    top = total.argmax(axis=1)
    out.total[block, m] = total[every, top]
    out.hour[block, m] = found.hours[top]
    for flow, rate in zip(flows, spread, strict=True):
        at_top = rate[every, top]
        for n, journeys in flow.members.items():
            out.rates[n, block, m] = journeys * at_top


def amplification(kind: TrafficClassPlan, slow: Share) -> Share:
    """Calls made for one that was meant: 1 + f + f^2 + ... over the attempts, f = base failure or too slow. (D8)"""
    f = 1 - (1 - kind.retries.base_failure) * (1 - slow)
    made = f**0
    for n in range(1, kind.retries.attempts + 1):
        made = made + f**n
    return made


def _spread(place: World, draws: Draws, found: _Month, adopted: Floats, profile: str, surges: bool) -> Floats:
    """(D, H) registrations a second, spread by a profile over its zones and by the surges of the phases."""
    weights = place.clock.weights[profile][:, found.hours]
    out = np.zeros((draws.count, len(found.hours)))
    for p in range(adopted.shape[1]):
        if not found.live[p].any():
            continue
        flow = adopted[:, p] @ (weights * found.live[p])
        if surges and found.days_since[p].min() < SURGE_DAYS:
            flow *= surge_at(draws, found.days_since[p])
            if found.opening[p].any():
                flow *= np.where(found.opening[p], draws.peak_hour[:, None], 1.0)
        out += flow
    return out


def _window(place: World, m: int) -> _Month:
    """All hours of month m."""
    clock = place.clock
    first = (place.months[m] - clock.start).days * 24
    after = add_months(place.months[m], 1)
    hours = np.arange(first, (after - clock.start).days * 24)
    since, opening, live = [], [], []
    for phase in place.launch.phases:
        start = (phase.start - clock.start).days * 24
        open_at = start + place.launch.demand.surge.opening_hour
        since.append((hours - start) // 24)
        opening.append(hours == open_at)
        live.append(hours >= open_at)
    return _Month(hours, np.array(since, float), np.array(opening), np.array(live))


def _candidates(place: World, m: int) -> _Month:
    """The hours of month m that can be the busiest in some draw."""
    whole = _window(place, m)
    columns = [
        place.clock.weights[profile][z, whole.hours] * whole.live[p]
        for profile in place.launch.demand.profiles
        for z in range(3)
        for p in range(len(whole.live))
        if whole.live[p].any()
    ] or [np.zeros(len(whole.hours))]
    columns += [o.astype(float) for o in whole.opening if o.any()]
    keep = _undominated(np.round(np.column_stack(columns), 12))
    return _Month(whole.hours[keep], whole.days_since[:, keep], whole.opening[:, keep], whole.live[:, keep])


def _undominated(values: Floats) -> NDArray[np.int64]:
    """Rows that no other row matches or beats everywhere; of equal rows the earliest, when a surge is highest.

    A later row must beat an earlier one somewhere to stay; an earlier one stays unless an even earlier or equal one
    beats it, since a surge falls with time.
    """
    _, first = np.unique(values, axis=0, return_index=True)
    first = np.sort(first)
    rows = values[first]
    stays = [n for n in range(len(rows)) if not np.any(np.all(rows[:n] >= rows[n], axis=1))]
    return np.asarray(first[stays])


@dataclass(frozen=True, slots=True)
class _Days:
    """Days of a month that can be its busiest: `weight[p, z]` (N,) in a phase and zone, `days_since[p]` (N,)."""

    weight: Floats
    days_since: Floats
    surging: tuple[bool, ...]


def _busy_days(place: World, m: int) -> _Days:
    whole = _window(place, m)
    days = len(whole.hours) // 24
    weights = place.clock.weights["public"][:, whole.hours].reshape(3, days, 24)
    since = whole.days_since.reshape(-1, days, 24)[:, :, -1]
    live = whole.live.reshape(-1, days, 24)
    by_day = np.stack([(weights * on).sum(axis=2) for on in live])  # (P, Z, days)
    keep = _undominated(np.round(by_day.reshape(-1, days).T, 9))
    surging = tuple(bool(s.max() >= 0 and s.min() < SURGE_DAYS) for s in since)
    return _Days(by_day[:, :, keep], since[:, keep], surging)


def _busiest_day(place: World, draws: Draws, m: int, days: _Days) -> Floats:
    """(D,) registrations on the busiest day of month m: the surge is highest on the earliest of equal days."""
    scale = draws.level * draws.month_peak * draws.busyness[:, m]
    out = np.zeros((draws.count, days.weight.shape[2]))
    for p, weight in enumerate(days.weight):
        flow = (draws.share[:, p] * place.per_day[m, p]) @ weight
        if days.surging[p]:
            flow *= surge_at(draws, days.days_since[p])
        out += flow
    return np.asarray(scale * out.max(axis=1))


def running(values: Floats) -> Floats:
    """The largest so far along the last axis: what capacity that is never given up must have carried."""
    return np.asarray(np.maximum.accumulate(values, axis=-1))
