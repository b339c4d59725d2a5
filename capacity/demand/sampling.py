"""Draws of the uncertain inputs: exact marginals under a Gaussian copula, the same stream for the same name.

One factor c correlates the inputs, z_i = sqrt(rho) c + sqrt(1 - rho) e_i (D6). The ranks of z_i give the copula, and
the strata (rank - 1/2) / n the marginal, so that the sample quantiles are those of the distribution (Latin hypercube by
ranks, Iman and Conover 1982). Every input has its own stream, named by a hash: adding an input, or changing one, leaves
the draws of all others as they were, so that two plans differ by what was changed and not by chance.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from capacity.demand.quantiles import distribution
from capacity.launch import Quantiles

Floats = NDArray[np.float64]


class Source(Protocol):
    """Where the values of uncertain inputs come from: random draws, or a designed table."""

    def draw(self, name: str, stated: Quantiles) -> Floats:
        """(D,) values of a stated input."""

    def independent(self, name: str, stated: Quantiles, columns: int) -> Floats:
        """(D, columns) values that nothing else moves."""

    def persistent(self, name: str, stated: Quantiles, steps: int, persistence: float) -> Floats:
        """(D, steps) values that follow each other."""


@dataclass(frozen=True, slots=True)
class Designed:
    """Uniforms given by name, (D,) each: for sensitivity analysis. What is not given stays at its median."""

    uniforms: Mapping[str, Floats]
    draws: int

    def draw(self, name: str, stated: Quantiles) -> Floats:
        """(D,) values at the given uniforms."""
        return distribution(stated).quantile(self.uniforms.get(name, np.full(self.draws, 0.5)))

    def independent(self, name: str, stated: Quantiles, columns: int) -> Floats:
        """(D, columns) medians."""
        return np.full((self.draws, columns), stated.p50)

    def persistent(self, name: str, stated: Quantiles, steps: int, persistence: float) -> Floats:
        """(D, steps) one value for all steps."""
        return np.repeat(self.draw(name, stated)[:, None], steps, axis=1)


@dataclass(frozen=True, slots=True)
class Sampler:
    """`draws` draws from streams that follow from `seed`; `correlation` is the copula's rho between inputs."""

    seed: int
    draws: int
    correlation: float

    def normal(self, name: str, columns: int | None = None) -> Floats:
        """Independent standard normals of the stream `name`: (draws,) or (draws, columns)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return rng.standard_normal(self.draws if columns is None else (self.draws, columns))

    def uniform(self, name: str) -> Floats:
        """(draws,) strata of an input that the common factor correlates with the others. Formula (D6)."""
        rho = self.correlation
        z = np.sqrt(rho) * self.normal("common factor") + np.sqrt(1 - rho) * self.normal(name)
        return strata(z)

    def draw(self, name: str, stated: Quantiles) -> Floats:
        """(draws,) values of a stated input."""
        return distribution(stated).quantile(self.uniform(name))

    def independent(self, name: str, stated: Quantiles, columns: int) -> Floats:
        """(draws, columns) values, independent of everything else: one column a province."""
        return distribution(stated).quantile(strata(self.normal(name, columns)))

    def persistent(self, name: str, stated: Quantiles, steps: int, persistence: float) -> Floats:
        """(draws, steps) values that follow each other, with the stated marginals: formula (D11).

        z_t = phi z_(t-1) + sqrt(1 - phi^2) e_t
        """
        noise = self.normal(name, steps)
        z = np.empty_like(noise)
        z[:, 0] = noise[:, 0]
        for t in range(1, steps):
            z[:, t] = persistence * z[:, t - 1] + np.sqrt(1 - persistence**2) * noise[:, t]
        return distribution(stated).quantile(strata(z))


def strata(z: Floats) -> Floats:
    """(rank - 1/2) / n along the first axis; shape of z."""
    n = len(z)
    ranks = np.empty(z.shape, dtype=np.int64)
    order = np.argsort(z, axis=0)
    np.put_along_axis(ranks, order, np.arange(n).reshape(-1, *(1,) * (z.ndim - 1)), axis=0)
    return np.asarray((ranks + 0.5) / n)
