"""A container with a CPU quota (Linux CFS bandwidth control): full speed until the quota of a period is used.

Capacity is the quota: 300 m carry 0.3 CPU seconds a second. Speed is not: a request of 5 ms CPU takes 5 ms when the
container is calm, not 5 / 0.3. What a quota adds is a stop until the next period (100 ms) once it is used up. Treating
the container as a server of speed 0.3 overstates response times several times at low load, and treating it as a whole
core understates them without bound near the quota.

The model, per period of length T with budget B = quota x T and Poisson arrivals:

  backlog   X' = max(X + A - B, 0), A the CPU work that arrives in a period (compound Poisson)            (Q11)
  arrival   at a uniform moment u of the period finds D = X + A(0, u) demanded in it so far; with its own S
            D + S <= B: it waits as in M/G/k at full speed, k processes;
            else it ends after n = ceil((D + S) / B) - 1 renewals, and waits n (T - B) + D - u            (Q12)

(Q11) is solved on a grid by Fourier transforms. docs/model/queueing.md compares it with the simulated mechanism
(`capacity.simulation.quota`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import Wait, ggc_wait, wait_tail
from capacity.queueing.network import Leg, network_response_quantile
from capacity.queueing.shapes import Shape, quantile, tail

PERIOD_S: Final = 0.1

_CELLS: Final = 48
"""Grid cells in one budget."""
_MOMENTS: Final = 12
"""Moments of a period at which requests arrive."""
_SERVICES: Final = 10
_LARGEST_GRID: Final = 1 << 15


class QuotaWait(NamedTuple):
    """The wait as the sum of two independent parts: queueing at full speed, and stops for want of quota."""

    calm: Wait
    stopped: Wait

    @property
    def mean(self) -> Floats:
        """Mean wait, seconds."""
        return np.asarray(self.calm.mean + self.stopped.mean)

    def legs(self, mean_service: ArrayLike, cs2: ArrayLike = 1.0, visits: ArrayLike = 1.0) -> list[Leg]:
        """The visit of an endpoint with that own service, as legs for `network_response_quantile`."""
        return [Leg(self.calm, mean_service, cs2, visits), Leg(self.stopped, 0.0, 1.0, visits)]


def quota_wait(
    rate: ArrayLike,
    mean_service: ArrayLike,
    quota: ArrayLike,
    cs2: ArrayLike = 1.0,
    *,
    own_service: ArrayLike | None = None,
    own_cs2: ArrayLike | None = None,
    processes: int = 1,
    period: float = PERIOD_S,
    service_shape: Shape = "gamma",
) -> QuotaWait:
    """Wait (queueing and throttling) of requests at one container with Poisson arrivals.

    `quota` in cores; `mean_service` in CPU seconds at full speed, of the whole mix of requests, `own_service` and
    `own_cs2` of the requests in question (those of the mix unless given): a long request stops where a short one would
    not. `rate` a second for this container alone. A quota of at least `processes` never binds and leaves M/G/k.
    Shapes: broadcast; cases are solved one by one (some ms each) and remembered. inf at and beyond the quota.
    """
    own = (mean_service if own_service is None else own_service, cs2 if own_cs2 is None else own_cs2)
    laws = solved(_one, (rate, mean_service, quota, cs2, *own), processes, period, service_shape)
    return QuotaWait(Wait(laws[..., 0], laws[..., 1], laws[..., 2]), Wait(laws[..., 3], laws[..., 4], laws[..., 5]))


def quota_response_quantile(
    q: ArrayLike,
    rate: ArrayLike,
    mean_service: ArrayLike,
    quota: ArrayLike,
    cs2: ArrayLike = 1.0,
    *,
    processes: int = 1,
    period: float = PERIOD_S,
) -> Floats:
    """The q-quantile of the response time at one container, seconds; inf at and beyond the quota."""
    wait = quota_wait(rate, mean_service, quota, cs2, processes=processes, period=period)
    return network_response_quantile(q, wait.legs(mean_service, cs2))


NEVER: Final = (0.0, 0.0, 1.0)
"""(P, mean, scv) of a wait that nobody has."""


def solved(solve: Callable[..., tuple[float, ...]], arguments: Sequence[ArrayLike], *fixed: object) -> Floats:
    """(*shape, results) of `solve(*case, *fixed)` for each case of the broadcast arguments.

    Cases are rounded to nine digits, so that what differs by rounding alone is remembered as one.
    """
    cases = np.broadcast_arrays(*(np.asarray(x, float) for x in arguments))
    rows = zip(*(part.ravel() for part in cases), strict=True)
    found = [solve(*(float(f"{v:.9g}") for v in row), *fixed) for row in rows]
    return np.array(found).reshape(*cases[0].shape, -1)


class Period(NamedTuple):
    """What requests find that arrive at `moment` (moments,) of a period of `length` seconds with that budget.

    `chance` (moments, cells): that `grid` (cells,) CPU seconds are demanded of it, backlog included; all together one.
    `in_time` (moments, cells): that the budget, if it does not suffice, is used up before the period ends.
    """

    budget: float
    length: float
    moment: Floats
    grid: Floats
    chance: Floats
    in_time: Floats


def period_found(
    calm: tuple[float, float, float],
    rate: float,
    mean: float,
    quota: float,
    cs2: float,
    processes: int,
    period: float,
    shape: Shape,
) -> Period:
    """Equation (Q11). `calm`: (P, mean, scv) of the wait at full speed."""
    p, m, scv = calm
    budget = quota * period
    left_over = (p, m * processes, scv)
    backlog, exponent = _backlog(rate, mean, cs2, budget, period, shape, left_over, 1 - quota / processes)
    size = len(backlog)
    grid = np.arange(size) * budget / _CELLS
    moment = (np.arange(_MOMENTS) + 0.5) / _MOMENTS
    spectrum = np.fft.rfft(backlog, 2 * size) * np.exp(moment[:, None] * exponent)
    demanded = np.maximum(np.fft.irfft(spectrum, 2 * size)[:, :size], 0.0)
    # a stop in this period needs time left to use the budget up at full speed
    room = processes * (1 - moment[:, None]) * period - budget + grid
    unfinished = Wait(*(np.array(part) for part in left_over))
    in_time = np.where(room >= 0, 1 - wait_tail(np.maximum(room, 0.0), unfinished), 0.0)
    chance = demanded / demanded.sum(axis=1, keepdims=True) / _MOMENTS
    return Period(budget, period, moment, grid, chance, in_time)


@lru_cache(maxsize=65536)
def _one(
    rate: float,
    mean: float,
    quota: float,
    cs2: float,
    own_mean: float,
    own_cs2: float,
    processes: int,
    period: float,
    shape: Shape,
) -> tuple[float, ...]:
    """(P, mean, scv) of the calm part and of the stops."""
    p, m, scv = (float(x) for x in ggc_wait(rate, mean, processes, 1.0, cs2, "gamma", shape))
    if quota >= processes or rate == 0:
        return (p, m, scv, *NEVER)
    if rate * mean >= quota:
        return (*NEVER, 1.0, np.inf, 1.0)
    found = period_found((p, m, scv), rate, mean, quota, cs2, processes, period, shape)
    budget, grid = found.budget, found.grid[:, None]
    v, weights = np.polynomial.legendre.leggauss(_SERVICES)
    v, weights = (v + 1) / 2, weights / 2
    services, shares = quantile(shape, 1 - v**2, own_mean, own_cs2), 2 * v * weights
    renewals = np.maximum(np.ceil((grid + services) / budget - 1e-9) - 1, 0)
    stopped = first = second = 0.0
    for u, demanded, in_time in zip(found.moment, found.chance, found.in_time, strict=True):
        chance_all = demanded[:, None] * (shares / shares.sum())
        chance = np.where(renewals > 0, chance_all * in_time[:, None], 0.0)
        ahead = (grid - renewals * budget) / processes
        wait = np.maximum((renewals - u) * period + ahead, 0.0)
        # else it goes on in the next period with a fresh budget, which long services may use up in turn
        later = np.maximum(np.ceil((services - (1 - u) * period) / budget - 1e-9) - 1, 0)
        late_chance = np.where((renewals > 0) & (later > 0), chance_all * (1 - in_time[:, None]), 0.0)
        late_wait = np.broadcast_to(later * max(period - budget, 0.0), late_chance.shape)
        stopped += float(chance.sum() + late_chance.sum())
        first += float((chance * wait).sum() + (late_chance * late_wait).sum())
        second += float((chance * wait**2).sum() + (late_chance * late_wait**2).sum())
    # the stops' own law, so that both parts together have the mean and variance of (Q12)
    calm_square = p * m**2 * (1 + scv)
    mean_wait = first + (1 - stopped) * p * m
    variance = second + (1 - stopped) * calm_square - mean_wait**2
    own = max(mean_wait - p * m, 0.0)
    if stopped < 1e-9 or own <= 0:
        return (p, m, scv, *NEVER)
    own_square = max(variance - (calm_square - (p * m) ** 2), 0.0) + own**2
    return p, m, scv, stopped, own / stopped, max(own_square * stopped / own**2 - 1, 0.02)


@lru_cache(maxsize=4096)
def _backlog(
    rate: float,
    mean: float,
    cs2: float,
    budget: float,
    period: float,
    shape: Shape,
    left_over: tuple[float, float, float],
    spare: float,
) -> tuple[Floats, NDArray[np.complex128]]:
    """Stationary law of (Q11) on the grid, and the exponent of the transform of the work that arrives in a period.

    `left_over`: (P, mean, scv) of the work that full speed has not yet done when a period ends; the share `spare` of it
    is added to (Q11), which makes up most of what the equation leaves out (fitted to the simulated mechanism).
    """
    cell = budget / _CELLS
    load = rate * mean * period / budget
    # the backlog's tail is about exponential with this mean (Kingman)
    typical = max(rate * period * mean**2 * (1 + cs2) / (2 * budget * (1 - load)), mean)
    size = int(min(2 ** np.ceil(np.log2((9 * typical + 25 * mean + 5 * budget) / cell)), _LARGEST_GRID))
    edges = (np.arange(size) + 0.5) * cell
    law = -np.diff(tail(shape, edges, mean, cs2), prepend=1.0)
    law[-1] += 1 - law.sum()
    exponent = rate * period * (np.fft.rfft(law, 2 * size) - 1)
    arriving = np.exp(exponent)
    unfinished = spare * wait_tail(edges, Wait(*(np.array(part) for part in left_over)))
    backlog = load * -np.diff(np.exp(-edges / typical), prepend=1.0)
    backlog[0] += 1 - backlog.sum()
    for _ in range(4000):
        demanded = np.maximum(np.fft.irfft(np.fft.rfft(backlog, 2 * size) * arriving, 2 * size)[:size], 0.0)
        above = np.maximum(1 - np.cumsum(demanded), 0.0)  # P(D > cell j)
        beyond = np.concatenate([above[_CELLS:], np.zeros(_CELLS)])
        within = np.maximum(above - above[_CELLS], 0.0) * unfinished
        after = np.maximum(-np.diff(beyond + within, prepend=1.0), 0.0)
        after /= after.sum()
        if np.abs(after - backlog).sum() < 3e-5:
            break
        backlog = after
    return after, exponent
