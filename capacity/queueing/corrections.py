"""Correction surfaces of the G/G/c formulas: polynomials that were fitted to simulated queues.

Textbook two-moment formulas miss the mean wait by tens of per cent when scv are far from 1 or servers are many and
not very busy. What they miss is smooth, so it is fitted once (`capacity.simulation.surfaces`, which also makes
`corrections.json`) as a polynomial of

    t = -ln C(c, a)         how rarely an arrival to M/M/c waits; 0 in heavy traffic
    h = c^-1/2              1 for a single server, 0 for very many
    x = (ca2-1)/(ca2+1), y = (cs2-1)/(cs2+1)

one for each pair of shapes and each of three quantities: the logit of P(wait), the logarithm of the mean wait of those
who wait, and the logarithm of the scv of their wait. What theory knows stays exact, for terms that would change it are
left out or vanish: M/M/c, the mean of M/G/1, P(wait) of GI/M/1, waits of GI/M/c given that one waits, heavy traffic.
Outside the fitted range the nearest value inside holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from capacity.queueing.erlang import Floats
from capacity.queueing.shapes import Shape

FILE: Final = Path(__file__).with_name("corrections.json")

Quantity = Literal["probability", "mean", "scv"]
DEGREE: Final[dict[Quantity, int]] = {"probability": 6, "mean": 6, "scv": 5}

RAREST_T: Final = 8.0
MOST_SERVERS: Final = 256.0
LEAST_SCV: Final = 0.35
LEAST_PHASE_SCV: Final = 0.5
"""For arrivals of shape `phase`: below it their law has more stages, and the surface a kink."""
GREATEST_SCV: Final = 5.5


class Term(NamedTuple):
    """t^i h^j x^k y^l; an anchored term carries a factor 1 - h as well, and so vanishes for a single server."""

    i: int
    j: int
    k: int
    l: int  # noqa: E741 - as in the formula
    anchored: bool


def terms(quantity: Quantity, arrival: Shape, service: Shape) -> Iterator[Term]:
    """The terms that theory leaves free for that pair of shapes."""
    poisson, exponential = arrival != "lognormal", service != "lognormal"  # at scv 1
    degree = DEGREE[quantity]
    for i, j, k, l in product(range(degree + 1), repeat=4):  # noqa: E741
        if i + j + k + l > degree:
            continue
        if quantity == "probability":
            if k == l == 0 and poisson and exponential:
                continue  # M/M/c
            yield Term(i, j, k, l, anchored=(k == 0 and poisson) or (l == 0 and exponential))
        elif i > 0 and not (l == 0 and exponential):  # heavy traffic and GI/M/c
            yield Term(i, j, k, l, anchored=quantity == "mean" and k == 0 and poisson)


def coordinates(
    arrival: Shape, t: Floats, c: Floats, ca2: Floats, cs2: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """(t, h, x, y) of the surfaces, held inside the fitted range."""
    ca2 = np.clip(ca2, LEAST_PHASE_SCV if arrival == "phase" else LEAST_SCV, GREATEST_SCV)
    cs2 = np.clip(cs2, LEAST_SCV, GREATEST_SCV)
    h = np.clip(c, 1.0, MOST_SERVERS) ** -0.5
    return np.clip(t, 0.0, RAREST_T), h, (ca2 - 1) / (ca2 + 1), (cs2 - 1) / (cs2 + 1)


def correction(
    quantity: Quantity, arrival: Shape, service: Shape, t: Floats, c: Floats, ca2: Floats, cs2: Floats
) -> Floats:
    """Value of one surface. Shapes: broadcast; scv that are single numbers save most of the work."""
    t, h, x, y = coordinates(arrival, t, c, ca2, cs2)
    table = _surface(quantity, arrival, service)
    powers = [part[..., None] ** np.arange(size) for part, size in zip((t, h, x, y), table.shape, strict=True)]
    at_scv = np.einsum("ijkl,...k,...l->...ij", table, powers[2], powers[3])
    if at_scv.ndim == 2:
        return np.asarray((powers[0] @ at_scv * powers[1]).sum(axis=-1))
    return np.asarray(np.einsum("...i,...ij,...j->...", powers[0], at_scv, powers[1]))


@cache
def _surface(quantity: Quantity, arrival: Shape, service: Shape) -> Floats:
    """Coefficients by the powers of t, h, x and y, the factors 1 - h multiplied out."""
    values = _file()[f"{arrival}/{service}"][quantity]
    size = DEGREE[quantity] + 1
    table = np.zeros((size, size + 1, size, size))
    for term, value in zip(terms(quantity, arrival, service), values, strict=True):
        table[term.i, term.j, term.k, term.l] += value
        if term.anchored:
            table[term.i, term.j + 1, term.k, term.l] -= value
    return table


@cache
def _file() -> dict[str, dict[str, list[float]]]:
    loaded: dict[str, dict[str, list[float]]] = json.loads(FILE.read_text(encoding="utf-8"))["coefficients"]
    return loaded
