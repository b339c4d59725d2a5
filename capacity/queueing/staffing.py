"""From a response-time SLO to servers, and from servers to the highest rate that still meets it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capacity.faults import Infeasible
from capacity.queueing.erlang import Floats
from capacity.queueing.ggc import ggc_response_tail
from capacity.queueing.shapes import Shape, quantile

Slo = Sequence[tuple[float, ArrayLike]]
"""Limits on response-time quantiles: ((0.95, seconds), (0.99, seconds))."""


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
    shape: Shape = "gamma",
) -> NDArray[np.bool_]:
    """Whether c servers meet every quantile of the SLO at that rate and stay within the limit of utilisation."""
    lam, service, servers = (np.asarray(x, float) for x in (rate, mean_service, c))
    good = np.asarray(lam * service <= limit_utilisation * servers)
    for q, limit in slo:
        good = good & (ggc_response_tail(limit, lam, service, servers, ca2, cs2, shape) <= 1 - q)
    return good


def max_rate(
    c: ArrayLike,
    mean_service: ArrayLike,
    slo: Slo,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    limit_utilisation: float = 1.0,
    shape: Shape = "gamma",
) -> Floats:
    """Highest arrival rate a second that c servers carry within the SLO; 0 where even an idle station breaks it."""
    service, servers, arrival, spread = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (mean_service, c, ca2, cs2))
    )
    low = np.zeros(service.shape)
    high = limit_utilisation * servers / service
    whole = meets(high, service, servers, slo, arrival, spread, limit_utilisation, shape)
    ceiling = high
    for _ in range(50):
        middle = (low + high) / 2
        good = meets(middle, service, servers, slo, arrival, spread, limit_utilisation, shape)
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    return np.where(whole, ceiling, low)


def min_servers(
    rate: ArrayLike,
    mean_service: ArrayLike,
    slo: Slo,
    ca2: ArrayLike = 1.0,
    cs2: ArrayLike = 1.0,
    limit_utilisation: float = 1.0,
    shape: Shape = "gamma",
    minimum: int = 1,
) -> NDArray[np.int64]:
    """Fewest whole servers that meet the SLO at `rate`. Raises Infeasible when the service time alone breaks it."""
    lam, service, arrival, spread = np.broadcast_arrays(*(np.asarray(x, float) for x in (rate, mean_service, ca2, cs2)))
    for q, limit in slo:
        alone = quantile(shape, q, service, spread)
        if np.any(alone > np.asarray(limit, float)):
            raise Infeasible(
                f"the p{q * 100:g} of the service time alone is {np.max(alone) * 1e3:.0f} ms, above the SLO",
                "Raise the SLO or lower the service demand; more servers cannot help.",
            )
    low = np.full(lam.shape, minimum - 1)
    high = np.maximum(np.ceil(square_root_staffing(lam * service) / limit_utilisation), minimum).astype(np.int64)
    for _ in range(40):
        good = meets(lam, service, high, slo, arrival, spread, limit_utilisation, shape)
        if np.all(good):
            break
        low, high = np.where(good, low, high), np.where(good, high, 2 * high)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        good = meets(lam, service, np.maximum(middle, minimum), slo, arrival, spread, limit_utilisation, shape)
        low, high = np.where(good, low, middle), np.where(good, middle, high)
    return np.asarray(high, np.int64)
