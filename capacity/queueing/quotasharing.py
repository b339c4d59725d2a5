"""Calls that share a container with a CPU quota: interleaved at full speed, all stopped once a period's quota is used.

What the container demands of its periods is (Q11), whoever is served first; who waits differs. A call of x CPU seconds
is there for x s(x) seconds at full speed and, of a period's budget B, finds c = min(D, B) used at a uniform moment u:

  stretch    s(x) = s + (1/(1 - rho) - s) x / (x + 3 B / 2), rho the utilisation of the quota               (Q22)
  stops      n = ceil((c + x s) / B) - 1 renewals, a wait of n (T - B) + c - u                              (Q23)

A call that stays for many periods sees a slow server, shared at rho; s, for short ones, is what makes the mean with
exponential services that of first come, first served (Q12), since the number there is then the same. The 3/2 is fitted
to the simulated mechanism (`capacity.simulation.sharing`), with which docs/model/queueing.md compares it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import NO_WAIT, Wait, ggc_wait
from capacity.queueing.network import NOT_SLOWED, Leg, Slowing
from capacity.queueing.quota import NEVER, PERIOD_S, Period, period_found, quota_wait, solved
from capacity.queueing.shapes import Shape, quantile
from capacity.queueing.sharing import sharing, sharing_slowdown

_PATIENCE: Final = 1.5
"""Budgets that a call needs to be half way to the stretch of a slow server."""
_SERVICES: Final = 10
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_SERVICES)
_BELOW: Final = 1 - ((_NODES + 1) / 2) ** 2
_SHARES: Final = (_NODES + 1) * _WEIGHTS / ((_NODES + 1) * _WEIGHTS).sum()


class SharedQuota(NamedTuple):
    """What a call meets: sharing while the container runs, and stops for want of quota."""

    slowing: Slowing
    stopped: Wait

    def legs(self, mean_service: ArrayLike, cs2: ArrayLike = 1.0, visits: ArrayLike = 1.0) -> list[Leg]:
        """The visit as legs for `network_response_quantile`; the own service is the one that it was computed for."""
        return [Leg(NO_WAIT, mean_service, cs2, visits, self.slowing), Leg(self.stopped, 0.0, 1.0, visits)]


def quota_sharing(
    rate: ArrayLike,
    mean_service: ArrayLike,
    quota: ArrayLike,
    cs2: ArrayLike,
    own_service: ArrayLike,
    own_cs2: ArrayLike = 1.0,
    *,
    processes: int = 1,
    period: float = PERIOD_S,
    service_shape: Shape = "gamma",
) -> SharedQuota:
    """Slowing and stops of calls of `own_service` CPU seconds (gamma, scv `own_cs2`) at one container.

    Arguments as of `quota_wait`: `quota` in cores, `rate` a second for this container alone, `mean_service` and `cs2`
    of all its calls, whose law is of `service_shape`. Shapes: broadcast; cases are solved one by one (some ms each) and
    remembered. inf at and beyond the quota.
    """
    arguments = (rate, mean_service, quota, cs2, own_service, own_cs2)
    laws = solved(_one, arguments, processes, period, service_shape)
    return SharedQuota(Slowing(laws[..., 0], laws[..., 1]), Wait(laws[..., 2], laws[..., 3], laws[..., 4]))


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
    """(mean, scale) of the slowing and (P, mean, scv) of the stops."""
    load = rate * mean
    if quota < processes and load >= quota:
        return (np.inf, 0.0, *NEVER)
    if own_mean <= 0 or rate == 0:
        return (float(NOT_SLOWED.mean), float(NOT_SLOWED.scale), *NEVER)
    if quota >= processes:
        calm = sharing(load, mean, cs2, processes).slowing(own_mean, own_cs2)
        return (float(calm.mean), float(calm.scale), *NEVER)
    short, most, found = _stretch(rate, mean, quota, cs2, processes, period, shape)
    stretch = short + (most - short) * own_mean / (own_mean + _PATIENCE * found.budget)
    slowing = sharing(1 - 1 / stretch, mean, cs2).slowing(own_mean, own_cs2)
    there = own_mean * stretch
    spread = own_cs2 * there**2 + own_mean * float(slowing.mean) * float(slowing.scale)
    chance, wait, square = _stops(found, quantile("gamma", _BELOW, there, max(spread / there**2, 1e-6)))
    if chance < 1e-9:
        return (float(slowing.mean), float(slowing.scale), *NEVER)
    # the stops' law, so that both parts together have the mean and variance of (Q23)
    own_square = max(square - (there + wait) ** 2 - spread, 0.0) + wait**2
    law = (chance, wait / chance, max(own_square * chance / wait**2 - 1, 0.02))
    return (float(slowing.mean), float(slowing.scale), *law)


@lru_cache(maxsize=4096)
def _stretch(
    rate: float, mean: float, quota: float, cs2: float, processes: int, period: float, shape: Shape
) -> tuple[float, float, Period]:
    """s of short and of long calls in (Q22), and what calls find."""
    found = _found(rate, mean, quota, cs2, processes, period, shape)
    least = float(sharing_slowdown(rate * mean, processes))
    most = max(least, 1 / (1 - rate * mean / quota))
    goal = mean + float(
        quota_wait(rate, mean, quota, 1.0, processes=processes, period=period, service_shape=shape).mean
    )
    services = quantile("gamma", _BELOW, mean, 1.0)

    def miss(stretch: float) -> float:
        there = services * stretch
        return float((there * _SHARES).sum()) + _stops(found, there)[1] - goal

    if miss(least) >= 0:
        return least, most, found
    return most if miss(most) <= 0 else float(brentq(miss, least, most, rtol=1e-3)), most, found


def _found(rate: float, mean: float, quota: float, cs2: float, processes: int, period: float, shape: Shape) -> Period:
    """What calls find used of the budget: all of it, or what was demanded."""
    p, m, scv = (float(x) for x in ggc_wait(rate, mean, processes, 1.0, cs2, "gamma", shape))
    found = period_found((p, m, scv), rate, mean, quota, cs2, processes, period, shape)
    last = int(np.searchsorted(found.grid, found.budget * (1 - 1e-9)))
    chance = np.column_stack([found.chance[:, :last], found.chance[:, last:].sum(axis=1)])
    return found._replace(grid=found.grid[: last + 1], chance=chance, in_time=found.in_time[:, : last + 1])


def _stops(found: Period, there: Floats) -> tuple[float, float, float]:
    """Probability and mean of the wait for want of quota, and the mean square of the whole time. Equation (Q23).

    `there` (services,): seconds at full speed, with shares `_SHARES`.
    """
    budget, period, used = found.budget, found.length, found.grid[:, None]
    left = (1 - found.moment)[:, None, None] * period
    renewals = np.maximum(np.ceil((used + there) / budget - 1e-9) - 1, 0)
    wait = np.maximum((renewals - 1) * period + left + used - renewals * budget, 0.0)
    # where this period ends before its budget does, it goes on in the next with a fresh one
    later = np.maximum(np.ceil((there - left) / budget - 1e-9) - 1, 0) * max(period - budget, 0.0)
    stopped = renewals > 0
    weight = found.chance[:, :, None] * _SHARES
    soon, late = weight * found.in_time[:, :, None], weight * (1 - found.in_time[:, :, None])
    wait, later = np.where(stopped, wait, 0.0), np.where(stopped, later, 0.0)
    probability = (soon * (wait > 0)).sum() + (late * (later > 0)).sum()
    mean = (soon * wait).sum() + (late * later).sum()
    square = (soon * (there + wait) ** 2).sum() + (late * (there + later) ** 2).sum()
    return float(probability), float(mean), float(square)
