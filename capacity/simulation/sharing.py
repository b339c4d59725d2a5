"""Calls that share processors, event by event: pods under CPU quotas, on a machine of so many cores.

A *group* (a pod, a server) is so many processes, each with an event loop that its calls share equally, and threads
beside these for long work. In every period of 100 ms a group uses at most its quota; when that is used, all of it stops
until the next period (Turner, Rao and Rao 2010). Groups share `cores` of one machine, or have machines of their own.

The kernel gives cores to processes and threads, not to calls. One that wakes takes a free core, else mostly the place
of the one that has run longest; else it waits in a queue. Where some wait, those that run go to the end of it at a
tick, every `slice_s` seconds, unless they have run for less than the least slice. A process that is awake already takes
up further calls at once.

A call walks a route: CPU at a group picked at random, or a delay that needs none. A load balancer in front places a
call, when it comes in, at the group that answers the fewest of those it placed. Left out: what switching costs, and
which of a group's calls it is that waits when only some of its threads have a core.
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

SLICE_S: Final = 0.004
"""Seconds between ticks of Linux at 250 a second."""
LEAST_SLICE_S: Final = 0.0014
"""What the kernel leaves to each before others (EEVDF: `base_slice_ns` of 0.7 ms times 1 + log2 of 2 processors)."""
STANDING_SHARE: Final = 0.1
"""Probability that no process gives way to one that wakes up: what fits load tests on one core and on racks of two
(EEVDF scheduler of Linux 6.18). The one number here that no theory gives."""
BALANCED: Final = -2
IN_THREAD_OF_BALANCED: Final = -3
MOST_AT_ONCE: Final = 8192
"""Calls in the system; beyond it the simulation ends, and what is left counts as never answered."""


@dataclass(frozen=True, slots=True)
class Group:
    """`width`: cores that its processes may use at once. `quota`: cores that all of it may use, on average of a period.

    `in_turn`: calls do not share but are served one after another, `width` (a whole number) at a time.
    `threads`: cores that work in threads may use at once, beside the processes.
    """

    width: float = 1.0
    quota: float = math.inf
    in_turn: bool = False
    threads: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """CPU seconds (mean, scv) at one of `groups`, picked at random; without groups a delay of so many seconds.

    `visits` of 2.3: two, and a third with probability 0.3. `in_thread`: in threads of the group, which must have some.
    """

    groups: Sequence[int]
    mean: float
    scv: float = 1.0
    visits: float = 1.0
    shape: Shape = "gamma"
    name: str = ""
    in_thread: bool = False


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
    slice_s: float = SLICE_S,
    period: float = PERIOD_S,
    warmup: float = 0.05,
    seed: int = 0,
) -> Shared:
    """Poisson streams of calls for `duration` seconds, less the share `warmup`. Calls never answered last for ever.

    `cores`: a whole number, or inf for machines of their own. Raises ValueError for another number, and for a step in
    threads of a group that has none.
    """
    if cores < 1 or (math.isfinite(cores) and cores != int(cores)):
        raise ValueError(f"{cores:g} cores: it takes a whole number, at least 1")
    rng = np.random.default_rng(seed)
    with_threads = [n for n, g in enumerate(groups) if g.threads > 0]
    owner = np.array([*range(len(groups)), *with_threads], np.int64)
    threads_of = np.full(len(groups), -1, np.int64)
    threads_of[with_threads] = np.arange(len(groups), len(owner))
    names = [name for name, route in routes.items() if route.rate > 0]
    arrivals = [np.sort(rng.random(rng.poisson(routes[n].rate * duration)) * duration) for n in names]
    walks = [_walks(routes[n], len(at), threads_of, rng) for n, at in zip(names, arrivals, strict=True)]
    at = np.concatenate([*arrivals, np.zeros(0)])
    order = np.argsort(at, kind="stable")
    lengths = np.concatenate([*(np.full(w.group.shape[0], w.group.shape[1]) for w in walks), np.zeros(0, np.int64)])
    begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat_groups = np.concatenate([*(w.group.ravel() for w in walks), np.zeros(0, np.int64)])
    flat_work = np.concatenate([*(w.work.ravel() for w in walks), np.zeros(0)])
    quota = np.array([g.quota for g in groups])
    width = np.array([*(g.width for g in groups), *(groups[n].threads for n in with_threads)], float)
    in_turn = np.array([*(g.in_turn for g in groups), *(False for _ in with_threads)])
    pools = [np.asarray(routes[n].balanced, np.int64) for n in names]
    pool_begins = np.concatenate([[0], np.cumsum([len(p) for p in pools])]).astype(np.int64)
    pool = np.concatenate([*pools, np.zeros(0, np.int64)])
    route = np.repeat(np.arange(len(names)), [len(a) for a in arrivals])
    finish, stops, periods = _walk(
        at[order], order, begins, route, pool_begins, pool, flat_groups, flat_work, quota * period, width, in_turn,
        owner, threads_of, int(cores) if math.isfinite(cores) else 0, slice_s, seed, period,
        rng.random(len(groups)) * period,
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

    Group -1 is a delay, BALANCED the one that the balancer gives, and IN_THREAD_OF_BALANCED threads of that one.
    """

    group: Integers
    work: Floats
    names: tuple[str, ...]


def _walks(route: Route, calls: int, threads_of: Integers, rng: np.random.Generator) -> _Walks:
    groups, works, names = [], [], []
    for step in route.steps:
        where = np.asarray(step.groups, np.int64)
        balanced = len(where) > 0 and tuple(step.groups) == tuple(route.balanced)
        if step.in_thread and (threads_of[where] < 0).any():
            raise ValueError(f"step {step.name!r} runs in threads of a group that has none")
        for visit in range(math.ceil(step.visits - 1e-9)):
            work = times(step.shape, step.mean, step.scv, calls, rng) if step.mean > 0 else np.zeros(calls)
            if step.visits - visit < 1:
                work = np.where(rng.random(calls) < step.visits - visit, work, -1.0)
            if balanced:
                groups.append(np.full(calls, IN_THREAD_OF_BALANCED if step.in_thread else BALANCED, np.int64))
            elif len(where):
                picked = where[rng.integers(0, len(where), calls)]
                groups.append(threads_of[picked] if step.in_thread else picked)
            else:
                groups.append(np.full(calls, -1, np.int64))
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
    owner: Integers,
    threads_of: Integers,
    cores: int,
    slice_s: float,
    seed: int,
    period: float,
    renewal: Floats,
) -> tuple[Floats, Floats, Floats]:
    """When each step was done; of each group the periods in which it was stopped, and those in which it was busy.

    Places of calls are the groups' processes, as many as there are groups, and after them threads of some, whose quota
    is that of the group that is their `owner`. No `cores`: as many as are wanted.
    """
    calls, size, pods = at.shape[0], width.shape[0], budget.shape[0]
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
    np.random.seed(seed)
    entered = 0
    here = np.zeros(size, np.int64)
    active = np.zeros(size, np.int64)  # of those here, the ones that are served
    speed = np.zeros(size)
    wanted = np.zeros(size)  # processes and threads that want a core
    held, queued = np.zeros(size, np.int64), np.zeros(size, np.int64)  # those that have one, and that wait for one
    queue, queue_length = np.empty(MOST_AT_ONCE * size, np.int64), 0
    holder, since = np.full(cores, -1, np.int64), np.zeros(cores)  # of each core
    home = np.full(calls, -1, np.int64)
    placed = np.zeros(pods, np.int64)  # calls that the balancer gave a group and that are under way
    last = np.zeros(pods, np.int64)  # when it gave it the last one
    present = np.zeros(pods, np.int64)  # calls in processes and threads
    used = np.zeros(pods)  # of the quota, a second
    credit = budget.copy()
    stopped = np.zeros(pods, np.bool_)
    stops, periods = np.zeros(pods), np.zeros(pods)
    now = 0.0
    arrived = 0
    while arrived < calls or jobs + delayed > 0:
        for g in range(size):
            wanted[g] = 0.0 if stopped[owner[g]] else min(float(active[g]), width[g])
        if cores > 0:
            queue_length = _settle(wanted, held, queued, queue, queue_length, holder, since, now)
        for g in range(size):
            speed[g] = float(held[g]) if cores > 0 else wanted[g]
        # next: 0 nothing, 1 an arrival, 2 a delay's end, 3 a renewal, 4 a quota used up, 5 a step's end, 6 a tick
        kind, who, pause = 0, -1, np.inf
        if arrived < calls:
            kind, pause = 1, at[arrived] - now
        for k in range(delayed):
            if until[k] - now < pause:
                kind, who, pause = 2, k, until[k] - now
        used[:] = 0.0
        for g in range(size):
            if here[g] > 0:
                used[owner[g]] += speed[g]
                speed[g] /= active[g]  # of each call served there
        for g in range(pods):
            if present[g] > 0 and budget[g] < np.inf:
                if renewal[g] - now < pause:
                    kind, who, pause = 3, g, renewal[g] - now
                if used[g] > 0 and credit[g] < pause * used[g]:
                    kind, who, pause = 4, g, credit[g] / used[g]
        for k in range(jobs):
            if served[k] and left[k] < pause * speed[place[k]]:
                kind, who, pause = 5, k, left[k] / speed[place[k]]
        if queue_length > 0:
            tick = (np.floor(now / slice_s + 1e-6) + 1) * slice_s - now
            if tick < pause:
                kind, pause = 6, tick
        if kind == 0:
            break
        pause = max(pause, 0.0)
        for k in range(jobs):
            if served[k]:
                left[k] -= pause * speed[place[k]]
        for g in range(pods):
            credit[g] -= pause * used[g]
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
        elif kind == 6:
            _take_turns(held, queued, queue, queue_length, holder, since, now)
        else:
            call, g = running[who], place[who]
            here[g] -= 1
            present[owner[g]] -= 1
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
        if kind != 1:
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
        elif g == IN_THREAD_OF_BALANCED:
            g = threads_of[home[call]]
        if g < 0:
            waiting[delayed], until[delayed] = call, now + work[step[call]]
            delayed += 1
            continue
        pod = owner[g]
        if present[pod] == 0 and budget[pod] < np.inf and renewal[pod] <= now:
            periods[pod] += 1
            stops[pod] += stopped[pod]
            stopped[pod] = False
            credit[pod] = budget[pod]
            renewal[pod] += (np.floor((now - renewal[pod]) / period) + 1) * period
        running[jobs], left[jobs], place[jobs] = call, work[step[call]], g
        came[jobs], served[jobs] = entered, not in_turn[g] or active[g] < width[g]
        active[g] += served[jobs]
        entered += 1
        jobs += 1
        here[g] += 1
        present[pod] += 1
    return finish, stops, periods


@njit(cache=True)
def _settle(
    wanted: Floats,
    held: Integers,
    queued: Integers,
    queue: Integers,
    length: int,
    holder: Integers,
    since: Floats,
    now: float,
) -> int:
    """Who sleeps gives its core away, who waited takes it, who wakes looks for one. Returns how many wait."""
    cores = holder.shape[0]
    for g in range(wanted.shape[0]):
        many = int(np.ceil(wanted[g]))
        for c in range(cores):
            if held[g] > 0 and held[g] + queued[g] > many and holder[c] == g:
                holder[c] = -1
                held[g] -= 1
        while held[g] + queued[g] > many:
            place = 0
            while queue[place] != g:
                place += 1
            length = _leave(queue, length, place)
            queued[g] -= 1
    for c in range(cores):
        if holder[c] < 0 and length > 0:
            _give(c, queue[0], held, holder, since, now)
            queued[queue[0]] -= 1
            length = _leave(queue, length, 0)
    for g in range(wanted.shape[0]):
        while held[g] + queued[g] < int(np.ceil(wanted[g])):
            free = -1
            for c in range(cores):
                if holder[c] < 0:
                    free = c
            if free < 0 and np.random.random() < STANDING_SHARE:
                queue[length] = g
                length += 1
                queued[g] += 1
                continue
            if free < 0:
                free = int(np.argmin(since))
                queue[1 : length + 1] = queue[:length].copy()
                queue[0] = holder[free]
                length += 1
                held[holder[free]] -= 1
                queued[holder[free]] += 1
            _give(free, g, held, holder, since, now)
    return length


@njit(cache=True)
def _take_turns(
    held: Integers, queued: Integers, queue: Integers, length: int, holder: Integers, since: Floats, now: float
) -> None:
    """On each core the first of the queue takes over from one that has had its slice, which goes to its end."""
    for c in range(holder.shape[0]):
        before, after = holder[c], queue[0]
        if before >= 0 and now - since[c] > LEAST_SLICE_S:
            held[before] -= 1
            queued[before] += 1
            queued[after] -= 1
            _leave(queue, length, 0)
            queue[length - 1] = before
            _give(c, after, held, holder, since, now)


@njit(cache=True)
def _give(core: int, g: int, held: Integers, holder: Integers, since: Floats, now: float) -> None:
    holder[core], since[core] = g, now
    held[g] += 1


@njit(cache=True)
def _leave(queue: Integers, length: int, place: int) -> int:
    """The queue without that one; returns its length."""
    queue[place : length - 1] = queue[place + 1 : length].copy()
    return length - 1
