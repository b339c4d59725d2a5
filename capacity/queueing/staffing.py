"""From a response-time SLO to servers, and from servers to the highest rate that still meets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.faults import Infeasible
from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import ggc_response_tail
from capacity.queueing.shapes import Shape, quantile

Slo = Sequence[tuple[float, ArrayLike]]
"""Limits on response-time quantiles: ((0.95, seconds), (0.99, seconds))."""

_BISECTIONS: Final = 45
_TABLE_FROM: Final = 64


def square_root_staffing(load: ArrayLike, beta: ArrayLike = 1.0) -> Floats:
    """a + beta sqrt(a) (Halfin and Whitt 1981): where a search for c starts."""
    a = np.asarray(load, float)
    return np.asarray(a + np.asarray(beta, float) * np.sqrt(a))


def meets(
    rate: ArrayLike,
    mean_service: ArrayLike,
    c: ArrayLike,
    slo: Slo,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    limit_utilisation: float = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> NDArray[np.bool_]:
    """Whether c servers meet every quantile of the SLO at that rate, within the limit of utilisation. Broadcasts."""
    lam, service, servers = (np.asarray(x, float) for x in (rate, mean_service, c))
    good = np.asarray(lam * service <= limit_utilisation * servers * (1 + 1e-12))
    for q, limit in slo:
        over = ggc_response_tail(limit, lam, service, servers, ca2, cs2, arrival_shape, service_shape)
        good = good & (over <= 1 - q)
    return good


def max_rate(
    c: ArrayLike,
    mean_service: ArrayLike,
    slo: Slo,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    limit_utilisation: float = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
) -> Floats:
    """Highest arrival rate a second that c servers carry within the SLO; 0 where even an idle station breaks it.

    `limit_utilisation` caps the answer at that utilisation. Shapes: broadcast of c, mean_service, ca2 and cs2.
    """
    service, servers, arrival, spread = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (mean_service, c, ca2, cs2))
    )
    limits = [(q, np.broadcast_to(np.asarray(limit, float), service.shape)) for q, limit in slo]
    out = np.array(limit_utilisation * servers / service)
    held = meets(out, service, servers, limits, arrival, spread, limit_utilisation, arrival_shape, service_shape)
    search = ~held
    if np.any(search):
        # only where an SLO binds before the limit of utilisation
        some = [x[search] for x in (service, servers, arrival, spread)]
        bound = [(q, limit[search]) for q, limit in limits]
        low, high = np.zeros(some[0].shape), out[search]
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            good = meets(
                middle, some[0], some[1], bound, some[2], some[3], limit_utilisation, arrival_shape, service_shape
            )
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        out[search] = low
    return out


def min_servers(
    rate: ArrayLike,
    mean_service: ArrayLike,
    slo: Slo,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    limit_utilisation: float = 1.0,
    arrival_shape: Shape = "gamma",
    service_shape: Shape = "gamma",
    minimum: int = 1,
) -> NDArray[np.int64]:
    """Fewest whole servers that meet the SLO at `rate`. Shapes: broadcast of rate, mean_service, ca2 and cs2.

    Many rates at one station (draws, hours) cost one table of `max_rate` over c and a look-up each. Raises Infeasible
    when the service time alone breaks the SLO, and ValueError for a negative rate.
    """
    lam, service = np.asarray(rate, float), np.asarray(mean_service, float)
    if not np.all(lam >= 0):
        raise ValueError("arrival rates must be >= 0")
    _check_service(service, slo, cs2, service_shape)
    station = [np.asarray(x, float) for x in (service, ca2, cs2, *(limit for _, limit in slo))]
    shapes = (arrival_shape, service_shape)
    if lam.size > _TABLE_FROM and all(x.size == 1 for x in station):
        most = int(_search(np.max(lam), service, slo, ca2, cs2, limit_utilisation, shapes, minimum).max())
        table = max_rate(np.arange(minimum, most + 1), service, slo, ca2, cs2, limit_utilisation, *shapes).ravel()
        place = np.searchsorted(np.maximum.accumulate(table), lam * (1 - 1e-12))
        return np.asarray(minimum + np.minimum(place, most - minimum), np.int64)
    return _search(lam, service, slo, ca2, cs2, limit_utilisation, shapes, minimum)


def _search(
    lam: Floats,
    service: Floats,
    slo: Slo,
    ca2: ArrayLike,
    cs2: ArrayLike,
    limit: float,
    shapes: tuple[Shape, Shape],
    minimum: int,
) -> NDArray[np.int64]:
    """Doubling from square-root staffing, then bisection over whole c; all cases at once."""
    lam, service, arrival, spread = np.broadcast_arrays(lam, service, np.asarray(ca2, float), np.asarray(cs2, float))
    low = np.full(lam.shape, minimum - 1, np.int64)
    high = np.maximum(np.ceil(square_root_staffing(lam * service) / limit), minimum).astype(np.int64)
    for _ in range(40):
        good = meets(lam, service, high, slo, arrival, spread, limit, *shapes)
        if np.all(good):
            break
        low, high = np.where(good, low, high), np.where(good, high, 2 * high)
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, minimum)
        good = meets(lam, service, middle, slo, arrival, spread, limit, *shapes)
        low, high = np.where(good, low, middle), np.where(good, middle, high)
    return np.asarray(high, np.int64)


def _check_service(service: Floats, slo: Slo, cs2: ArrayLike, shape: Shape) -> None:
    for q, limit in slo:
        alone = quantile(shape, q, service, cs2)
        over = alone > np.asarray(limit, float)
        if np.any(over):
            worst = float(np.max(np.where(over, alone, 0.0)))
            raise Infeasible(
                f"the p{q * 100:g} of the service time alone is {worst * 1e3:.0f} ms, above the SLO",
                "Raise the SLO or lower the service demand; more servers cannot help.",
            )
