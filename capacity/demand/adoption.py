"""Bass adoption (Bass 1969), fitted to the published yearly series of registrations a day.

    F(t) = (1 - e^(-(p+q) t)) / (1 + (q/p) e^(-(p+q) t)),   registrations in [a, b] = m (F(b) - F(a))      (D1)

t in years since launch, p innovation and q imitation a year. The market m is taken as known (the businesses of the
economic census): a few early years cannot tell m from q, and a fit of both predicts saturation at once. q has a
log-normal prior from the literature; p is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from capacity.launch import Adoption

Floats = NDArray[np.float64]
DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Period:
    """A published mean: registrations a day over [start, end) years since launch."""

    label: str
    start: float
    end: float
    per_day: float


@dataclass(frozen=True, slots=True)
class Bass:
    """The fitted curve. `market`: registrations; `p`, `q` a year."""

    market: float
    p: float
    q: float

    def share(self, years: ArrayLike) -> Floats:
        """F(t): share of the market that has registered t years after launch; 0 before it. Formula (D1)."""
        t = np.maximum(np.asarray(years, float), 0.0)
        decay = np.exp(-(self.p + self.q) * t)
        return np.asarray((1 - decay) / (1 + self.q / self.p * decay))

    def per_day(self, start: ArrayLike, end: ArrayLike) -> Floats:
        """Mean registrations a day over [start, end) years since launch."""
        a, b = np.asarray(start, float), np.asarray(end, float)
        return np.asarray(self.market * (self.share(b) - self.share(a)) / ((b - a) * DAYS_A_YEAR))


@dataclass(frozen=True, slots=True)
class Hindcast:
    """Fit on the early periods, predict a later one. `error` is (predicted - published) / published."""

    fitted_on: tuple[str, ...]
    label: str
    published: float
    predicted: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return (self.predicted - self.published) / self.published


def fit_bass(periods: Sequence[Period], market: float, prior: Adoption) -> Bass:
    """Least squares of the log of the mean a day, with the prior on log q. Deterministic."""
    start = np.array([p.start for p in periods])
    end = np.array([p.end for p in periods])
    target = np.log([p.per_day for p in periods])

    def residual(x: Floats) -> Floats:
        bass = Bass(market, float(np.exp(x[0])), float(np.exp(x[1])))
        misfit = (np.log(np.maximum(bass.per_day(start, end), 1e-9)) - target) / prior.noise_log_sd
        return np.append(misfit, (x[1] - np.log(prior.imitation)) / prior.imitation_log_sd)

    best = least_squares(residual, np.log([0.005, prior.imitation]), x_scale=1.0)
    p, q = (float(v) for v in np.exp(best.x))
    return Bass(market, p, q)


def hindcast(periods: Sequence[Period], market: float, prior: Adoption) -> tuple[Hindcast, ...]:
    """Predict every period after the first `hindcast_periods` from those alone."""
    early = periods[: prior.hindcast_periods]
    bass = fit_bass(early, market, prior)
    labels = tuple(p.label for p in early)
    return tuple(
        Hindcast(labels, p.label, p.per_day, float(bass.per_day(p.start, p.end)))
        for p in periods[prior.hindcast_periods :]
    )
