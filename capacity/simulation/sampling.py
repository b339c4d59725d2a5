"""Random times with a given mean, squared coefficient of variation and shape (`capacity.queueing.shapes`)."""

from __future__ import annotations

import numpy as np

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import CONSTANT_SCV, Shape, balanced_share, erlang_mixture


def times(shape: Shape, mean: float, scv: float, size: int, rng: np.random.Generator) -> Floats:
    """`size` independent times, in the unit of `mean`."""
    if scv <= CONSTANT_SCV:
        return np.full(size, float(mean))
    if scv == 1.0 and shape != "lognormal":
        return rng.exponential(mean, size)
    if shape == "lognormal":
        sigma2 = np.log1p(scv)
        return rng.lognormal(np.log(mean) - sigma2 / 2, np.sqrt(sigma2), size)
    if shape == "gamma":
        return rng.gamma(1 / scv, mean * scv, size)
    if scv > 1:
        p = float(balanced_share(scv))
        rate = np.where(rng.random(size) < p, 2 * p, 2 * (1 - p))
        return np.asarray(rng.standard_exponential(size) * mean / rate)
    mixture = erlang_mixture(scv)
    stages = mixture.stages - (rng.random(size) < mixture.share)
    return np.asarray(rng.standard_gamma(stages) * mean / mixture.rate)
