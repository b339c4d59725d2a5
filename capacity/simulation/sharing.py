"""Calls that share processors, event by event: pods under CPU quotas, on a machine of so many cores.

What a node of a cluster does with the processes on it, as a fluid: all calls that want CPU at once run at once, each at
most on one core and in equal shares where cores are fewer (processor sharing). A *group* (a pod, a server) uses at most
`width` cores at a time and, in every period of 100 ms, its quota; when that is used, all of it stops until the next
period (Turner, Rao and Rao 2010). Groups share `cores` of one machine, or have machines of their own.

A call walks a route: CPU at a group picked at random, or a delay that needs none. A load balancer in front places a
call, when it comes in, at the group that answers the fewest of those it placed. Where all cores of the machine are
taken, a process that wakes up takes the place of one that runs, as most do, or, where none of them gives way, waits
until others have had their slices: for a uniform part of `slice_s` for each that runs or waits beyond the cores less
one. Left out: what switching costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from capacity.queueing.erlang import Floats
from capacity.queueing.quota import PERIOD_S
from capacity.queueing.shapes import Shape
from capacity.simulation.sampling import times

Integers = NDArray[np.int64]

STANDING_SHARE: Final = 0.25
"""Probability that what runs on a core does not give way to a process that wakes up. It waits where none of the cores
gives way: what fits load tests on one core and on racks of two (EEVDF scheduler of Linux 6.18, 250 ticks a second)."""
BALANCED: Final = -2
MOST_AT_ONCE: Final = 8192
"""Calls in the system; beyond it the simulation ends, and what is left counts as never answered."""


@dataclass(frozen=True, slots=True)
class Group:
    """`width`: cores that its calls may use at once. `quota`: cores that it may use on average over a period.

    `in_turn`: calls do not share but are served one after another, `width` (a whole number) at a time.
    """

    width: float = 1.0
    quota: float = math.inf
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """CPU seconds (mean, scv) at one of `groups`, picked at random; without groups a delay of so many seconds.

    `visits` of 2.3: two, and a third with probability 0.3.
    """

    groups: Sequence[int]
    mean: float
    scv: float = 1.0
    visits: float = 1.0
    shape: Shape = "gamma"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Calls a second, and the steps of each.

    `balanced`: groups of which each call is given one when it comes in, for all its steps at these: the one with the
    fewest calls under way, and of equals the one that waited longest for one (least connections).
    """

    rate: float
    steps: Sequence[Step]
    balanced: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """Response times (seconds) of each route's calls, and times of single visits by the names of steps.

    `throttled`: share of its busy periods in which each group was stopped.
    """

    responses: Mapping[str, Floats]
    visits: Mapping[str, Floats]
    throttled: Floats = field(default_factory=lambda: np.zeros(0))


def simulate_sharing(
    groups: Sequence[Group],
    routes: Mapping[str, Route],
    duration: float,
    *,
    cores: float = math.inf,
    slice_s: float = 0.0,
    period: float = PERIOD_S,
    warmup: float = 0.05,
    seed: int = 0,
) -> Shared:
    """Poisson streams of calls for `duration` seconds, less the share `warmup`. Calls never answered last for ever."""
    rng = np.random.default_rng(seed)
    names = [name for name, route in routes.items() if route.rate > 0]
    arrivals = [np.sort(rng.random(rng.poisson(routes[n].rate * duration)) * duration) for n in names]
    walks = [_walks(routes[n], len(at), rng) for n, at in zip(names, arrivals, strict=True)]
    at = np.concatenate([*arrivals, np.zeros(0)])
    order = np.argsort(at, kind="stable")
    lengths = np.concatenate([*(np.full(w.group.shape[0], w.group.shape[1]) for w in walks), np.zeros(0, np.int64)])
    begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat_groups = np.concatenate([*(w.group.ravel() for w in walks), np.zeros(0, np.int64)])
    flat_work = np.concatenate([*(w.work.ravel() for w in walks), np.zeros(0)])
    quota = np.array([g.quota for g in groups])
    pools = [np.asarray(routes[n].balanced, np.int64) for n in names]
    pool_begins = np.concatenate([[0], np.cumsum([len(p) for p in pools])]).astype(np.int64)
    pool = np.concatenate([*pools, np.zeros(0, np.int64)])
    route = np.repeat(np.arange(len(names)), [len(a) for a in arrivals])
    finish, stops, periods = _walk(
        at[order], order, begins, route, pool_begins, pool, flat_groups, flat_work, quota * period,
        np.array([float(g.width) for g in groups]),
        np.array([g.in_turn for g in groups]), float(cores), slice_s, seed, period, rng.random(len(groups)) * period,
    )  # fmt: skip
    responses, visits = {}, dict[str, list[Floats]]()
    first = 0
    for name, when, walk in zip(names, arrivals, walks, strict=True):
        size = walk.group.size
        ends = finish[first : first + size].reshape(walk.group.shape)
        first += size
        kept = when > warmup * duration
        responses[name] = (ends[:, -1] - when)[kept] if walk.names else np.zeros(int(kept.sum()))
        with np.errstate(invalid="ignore"):
            took = np.diff(ends, prepend=when[:, None], axis=1)
        for column, step in enumerate(walk.names):
            here = kept & (walk.work[:, column] >= 0) & np.isfinite(took[:, column])
            visits.setdefault(step, []).append(took[here, column])
    return Shared(
        responses,
        {step: np.concatenate(parts) for step, parts in visits.items()},
        stops / np.maximum(periods, 1),
    )


@dataclass(frozen=True, slots=True)
class _Walks:
    """(calls, steps): group and CPU seconds of each step; work below nought is a visit not made.

    Group -1 is a delay, -2 the one that the balancer gives.
    """

    group: Integers
    work: Floats
    names: tuple[str, ...]


def _walks(route: Route, calls: int, rng: np.random.Generator) -> _Walks:
    groups, works, names = [], [], []
    for step in route.steps:
        for visit in range(math.ceil(step.visits - 1e-9)):
            work = times(step.shape, step.mean, step.scv, calls, rng) if step.mean > 0 else np.zeros(calls)
            if step.visits - visit < 1:
                work = np.where(rng.random(calls) < step.visits - visit, work, -1.0)
            where = np.asarray(step.groups, np.int64)
            if len(where) and tuple(step.groups) == tuple(route.balanced):
                groups.append(np.full(calls, BALANCED, np.int64))
            else:
                groups.append(where[rng.integers(0, len(where), calls)] if len(where) else np.full(calls, -1, np.int64))
            works.append(work)
            names.append(step.name)
    shape = (calls, len(names))
    if not names:
        return _Walks(np.zeros(shape, np.int64), np.zeros(shape), ())
    return _Walks(np.column_stack(groups), np.column_stack(works), tuple(names))


@njit(cache=True)
def _walk(
    at: Floats,
    order: Integers,
    begins: Integers,
    route: Integers,
    pool_begins: Integers,
    pool: Integers,
    group: Integers,
    work: Floats,
    budget: Floats,
    width: Floats,
    in_turn: NDArray[np.bool_],
    cores: float,
    slice_s: float,
    seed: int,
    period: float,
    renewal: Floats,
) -> tuple[Floats, Floats, Floats]:
    """When each step was done; of each group the periods in which it was stopped, and those in which it was busy."""
    calls, size = at.shape[0], budget.shape[0]
    finish = np.full(work.shape[0], np.inf)
    step = begins[:-1].copy()
    running = np.empty(MOST_AT_ONCE, np.int64)
    left = np.empty(MOST_AT_ONCE)
    place = np.empty(MOST_AT_ONCE, np.int64)
    came = np.empty(MOST_AT_ONCE, np.int64)
    served = np.zeros(MOST_AT_ONCE, np.bool_)
    waiting = np.empty(MOST_AT_ONCE, np.int64)
    until = np.empty(MOST_AT_ONCE)
    jobs = 0
    delayed = 0
    woken = np.zeros(calls, np.bool_)
    np.random.seed(seed)
    entered = 0
    here = np.zeros(size, np.int64)
    active = np.zeros(size, np.int64)  # of those here, the ones that are served
    speed = np.zeros(size)
    home = np.full(calls, -1, np.int64)
    placed = np.zeros(size, np.int64)  # calls that the balancer gave a group and that are under way
    last = np.zeros(size, np.int64)  # when it gave it the last one
    credit = budget.copy()
    stopped = np.zeros(size, np.bool_)
    stops, periods = np.zeros(size), np.zeros(size)
    now = 0.0
    arrived = 0
    while arrived < calls or jobs + delayed > 0:
        wanted = 0.0
        for g in range(size):
            speed[g] = 0.0
            if here[g] > 0 and not stopped[g]:
                speed[g] = min(float(active[g]), width[g])
                wanted += speed[g]
        share = min(1.0, cores / wanted) if wanted > 0 else 1.0
        # what comes next: 0 nothing, 1 an arrival, 2 a delay's end, 3 a renewal, 4 a quota used up, 5 a step's end
        kind, who, pause = 0, -1, np.inf
        if arrived < calls:
            kind, pause = 1, at[arrived] - now
        for k in range(delayed):
            if until[k] - now < pause:
                kind, who, pause = 2, k, until[k] - now
        for g in range(size):
            if here[g] > 0:
                speed[g] *= share
                if budget[g] < np.inf:
                    if renewal[g] - now < pause:
                        kind, who, pause = 3, g, renewal[g] - now
                    if speed[g] > 0 and credit[g] < pause * speed[g]:
                        kind, who, pause = 4, g, credit[g] / speed[g]
                speed[g] /= active[g]  # of each call served there
        for k in range(jobs):
            if served[k] and left[k] < pause * speed[place[k]]:
                kind, who, pause = 5, k, left[k] / speed[place[k]]
        if kind == 0:
            break
        pause = max(pause, 0.0)
        for k in range(jobs):
            if served[k]:
                left[k] -= pause * speed[place[k]]
        for g in range(size):
            if here[g] > 0:
                credit[g] -= pause * speed[g] * active[g]
        now += pause
        call = -1
        if kind == 1:
            call = order[arrived]
            arrived += 1
            for k in range(pool_begins[route[call]], pool_begins[route[call] + 1]):
                g, best = pool[k], home[call]
                if best < 0 or placed[g] < placed[best] or (placed[g] == placed[best] and last[g] < last[best]):
                    home[call] = g
            if home[call] >= 0:
                placed[home[call]] += 1
                last[home[call]] = arrived
        elif kind == 2:
            call = waiting[who]
            delayed -= 1
            waiting[who], until[who] = waiting[delayed], until[delayed]
        elif kind == 3:
            periods[who] += 1
            stops[who] += stopped[who]
            stopped[who] = False
            credit[who] = budget[who]
            renewal[who] += period
        elif kind == 4:
            credit[who] = 0.0
            stopped[who] = True
        else:
            call, g = running[who], place[who]
            here[g] -= 1
            active[g] -= 1
            jobs -= 1
            running[who], left[who], place[who] = running[jobs], left[jobs], place[jobs]
            came[who], served[who] = came[jobs], served[jobs]
            if active[g] < here[g] and active[g] < width[g]:
                first = -1
                for k in range(jobs):
                    if place[k] == g and not served[k] and (first < 0 or came[k] < came[first]):
                        first = k
                served[first] = True
                active[g] += 1
        if call < 0:
            continue
        if kind != 1 and not woken[call]:
            finish[step[call]] = now
            step[call] += 1
        while step[call] < begins[call + 1] and work[step[call]] < 0:
            finish[step[call]] = now
            step[call] += 1
        if step[call] == begins[call + 1]:
            if home[call] >= 0:
                placed[home[call]] -= 1
            continue
        if jobs == MOST_AT_ONCE or delayed == MOST_AT_ONCE:
            break
        g = group[step[call]]
        if g == BALANCED:
            g = home[call]
        if g < 0:
            waiting[delayed], until[delayed] = call, now + work[step[call]]
            delayed += 1
            continue
        if not woken[call] and slice_s > 0 and wanted >= cores and np.random.random() < STANDING_SHARE**cores:
            woken[call] = True
            waiting[delayed], until[delayed] = call, now + slice_s * np.random.random() * (wanted - cores + 1)
            delayed += 1
            continue
        woken[call] = False
        if here[g] == 0 and budget[g] < np.inf and renewal[g] <= now:
            periods[g] += 1
            stops[g] += stopped[g]
            stopped[g] = False
            credit[g] = budget[g]
            renewal[g] += (np.floor((now - renewal[g]) / period) + 1) * period
        running[jobs], left[jobs], place[jobs] = call, work[step[call]], g
        came[jobs], served[jobs] = entered, not in_turn[g] or active[g] < width[g]
        active[g] += served[jobs]
        entered += 1
        jobs += 1
        here[g] += 1
    return finish, stops, periods
