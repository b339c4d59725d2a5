"""Bass adoption (Bass 1969), fitted to the published yearly series of registrations a day.

    F(t) = (1 - e^(-(p+q) t)) / (1 + (q/p) e^(-(p+q) t)),   registrations in [a, b] = m (F(b) - F(a))      (D1)

t in years since launch, m the registrations the market will ever make, p innovation, q imitation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]


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
        return np.asarray(self.market * (self.share(b) - self.share(a)) / ((b - a) * 365.25))


@dataclass(frozen=True, slots=True)
class Hindcast:
    """Fit on the early periods, predict the later ones. `error` is (predicted - published) / published."""

    fitted_on: tuple[str, ...]
    label: str
    published: float
    predicted: float

    @property
    def error(self) -> float:
        """Relative error of the prediction."""
        return (self.predicted - self.published) / self.published


def fit_bass(periods: Sequence[Period], largest_market: float) -> Bass:
    """Least squares of log(mean per day); the market is at most `largest_market` registrations. Deterministic."""
    start = np.array([p.start for p in periods])
    end = np.array([p.end for p in periods])
    target = np.log([p.per_day for p in periods])

    def residual(x: Floats) -> Floats:
        bass = Bass(float(np.exp(x[0])), float(np.exp(x[1])), float(np.exp(x[2])))
        return np.log(np.maximum(bass.per_day(start, end), 1e-9)) - target

    bounds = (np.log([1e5, 1e-6, 1e-3]), np.log([largest_market, 0.5, 3.0]))
    guess = np.log([largest_market / 2, 0.005, 0.6])
    best = least_squares(residual, guess, bounds=bounds, x_scale=1.0)
    return Bass(*(float(v) for v in np.exp(best.x)))


def hindcast(periods: Sequence[Period], largest_market: float, known: int) -> tuple[Hindcast, ...]:
    """Predict every period after the first `known` from those alone."""
    early = periods[:known]
    bass = fit_bass(early, largest_market)
    labels = tuple(p.label for p in early)
    return tuple(Hindcast(labels, p.label, p.per_day, float(bass.per_day(p.start, p.end))) for p in periods[known:])
