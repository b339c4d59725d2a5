"""Two-moment distributions of times: a mean, a squared coefficient of variation (scv) and a named shape.

A percentile of response times depends on the shape of the service times and not on two moments alone, so the shape
is an argument wherever a percentile is computed. Gamma is the default: it has every scv, from Erlang-like to bursty.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from capacity.queueing.erlang import Floats

Shape = Literal["gamma", "lognormal", "hyperexponential"]
SHAPES: tuple[Shape, ...] = ("gamma", "lognormal", "hyperexponential")

_TINY = 1e-9


def quantile(shape: Shape, q: ArrayLike, mean: ArrayLike, scv: ArrayLike) -> Floats:
    """The q-quantile of a time with that mean and scv; scv 0 gives the mean. Broadcasts."""
    p, centre, spread = np.broadcast_arrays(*(np.asarray(x, float) for x in (q, mean, scv)))
    floor = np.maximum(spread, _TINY)
    if shape == "lognormal":
        sigma2 = np.log1p(floor)
        out = centre * np.exp(np.sqrt(sigma2) * special.ndtri(p) - sigma2 / 2)
    else:
        out = centre * floor * special.gammaincinv(1 / floor, p)
    return np.where(spread > _TINY, out, centre)
