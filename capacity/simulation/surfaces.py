"""Fits the correction surfaces of `capacity.queueing.corrections` to simulated queues.

    python -m capacity.simulation.surfaces simulate POINTS.csv    some hours on one core; appends
    python -m capacity.simulation.surfaces fit POINTS.csv         writes capacity/queueing/corrections.json

Points fill the range of servers, utilisation and both scv (a Sobol sequence), for every pair of shapes. Times are
drawn once for a pair of scv and used for four sizes and utilisations. Seeds are fixed, so the file can be made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit
from scipy.stats import qmc

from capacity.documents import write_text
from capacity.queueing.corrections import (
    FILE,
    GREATEST_SCV,
    LEAST_PHASE_SCV,
    LEAST_SCV,
    RAREST_T,
    Quantity,
    coordinates,
    terms,
)
from capacity.queueing.erlang import Floats, erlang_c
from capacity.queueing.ggc import baseline
from capacity.queueing.shapes import SHAPES, Shape, quantile
from capacity.simulation.fcfs import FcfsQueue
from capacity.simulation.sampling import times

CUSTOMERS = 2_000_000
DRAWS = 1024
SIZES = (1, 1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16, 16, 24, 32, 48, 64, 64, 96, 128, 256)
FIRST_BLOCK = 300
FEW = (1, 1, 1, 1, 2, 2, 2, 3, 4)
"""Sizes after the first block of draws: single servers have no neighbours in size to lean on."""
QUEUES_A_DRAW = 4
LEAST_UTILISATION, GREATEST_UTILISATION = 0.06, 0.96
QUANTILES = (0.5, 0.9, 0.95, 0.99)
RIDGE = 1e-4
SURFACE_ERROR = 0.01


class Point(NamedTuple):
    """One simulated queue, unit mean service; mean, scv and quantiles (over the mean) are of positive waits."""

    arrival: Shape
    service: Shape
    c: int
    rho: float
    ca2: float
    cs2: float
    probability: float
    mean: float
    scv: float
    q50: float
    q90: float
    q95: float
    q99: float


def least_utilisation(c: int) -> float:
    """Where P(wait) of M/M/c falls to exp(-RAREST_T), or LEAST_UTILISATION if that is more."""

    def above(rho: float) -> float:
        return float(erlang_c(c, rho * c)) - math.exp(-RAREST_T)

    if above(LEAST_UTILISATION) > 0:
        return LEAST_UTILISATION
    return float(brentq(above, LEAST_UTILISATION, GREATEST_UTILISATION))


def simulate_draw(index: int, customers: int = CUSTOMERS) -> list[Point]:
    """All queues of one draw of the design: every pair of shapes, QUEUES_A_DRAW sizes each."""
    even = qmc.Sobol(2 + 2 * QUEUES_A_DRAW, seed=7).random_base2(DRAWS.bit_length() - 1)[index]
    u = (1 - np.cos(np.pi * even)) / 2  # denser towards the edges, where polynomials need it
    # Poisson arrivals and exponential services deserve points of their own: many stations have them
    sizes = SIZES if index < FIRST_BLOCK else FEW
    ca2 = 1.0 if index % 6 == 0 else _scv(u[0])
    cs2 = 1.0 if index % 6 == 3 else _scv(u[1])
    out = []
    for number, (arrival, service) in enumerate((a, s) for a in SHAPES for s in SHAPES):
        rng = np.random.default_rng([index, number])
        gaps, services = times(arrival, 1.0, ca2, customers, rng), times(service, 1.0, cs2, customers, rng)
        for k in range(QUEUES_A_DRAW):
            c = sizes[int(even[2 + 2 * k] * len(sizes))]
            lowest = least_utilisation(c)
            rho = float(lowest + u[3 + 2 * k] * (GREATEST_UTILISATION - lowest))
            waits = FcfsQueue(c).waits(gaps / (rho * c), services)[customers // 20 :]
            positive = waits[waits > 0]
            if len(positive) >= 200:
                mean = float(positive.mean())
                shares = np.quantile(positive, QUANTILES) / mean
                out.append(
                    Point(arrival, service, c, rho, ca2, cs2, len(positive) / len(waits), mean,
                          float(positive.var()) / mean**2, *(float(q) for q in shares))
                )  # fmt: skip
    return out


def _scv(u: float) -> float:
    return float(LEAST_SCV * (GREATEST_SCV / LEAST_SCV) ** u)


def tail_scv(points: Sequence[Point]) -> Floats:
    """The scv of the gamma law that fits best the positive waits where the p95 and p99 of all waits fall among them.

    Those are the quantiles 1 - 0.05/P and 1 - 0.01/P of the positive waits, found between the simulated ones (which are
    nearly straight lines in -ln(1-q)). The sample's own scv would serve percentiles worse, and heavy services make it
    noisy. The p99 counts half.
    """
    grid = np.geomspace(0.2, 9, 500)
    depths = -np.log1p(-np.array(QUANTILES))
    seen = np.array([[p.q50, p.q90, p.q95, p.q99] for p in points])
    misfit = np.zeros((len(points), len(grid)))
    for share, weight in ((0.05, 1.0), (0.01, 0.5)):
        wanted = np.clip(np.log([p.probability / share for p in points]), depths[0], depths[-1])
        found = np.array([np.interp(x, depths, row) for x, row in zip(wanted, seen, strict=True)])
        law = quantile("gamma", -np.expm1(-wanted)[:, None], 1.0, grid)
        misfit += weight * np.log(law / found[:, None]) ** 2
    return np.asarray(grid[misfit.argmin(axis=1)])


def fit(points: Sequence[Point]) -> dict[str, dict[str, list[float]]]:
    """Coefficients by pair of shapes and quantity: weighted least squares with a slight ridge."""
    out: dict[str, dict[str, list[float]]] = {}
    for arrival in SHAPES:
        for service in SHAPES:
            least = LEAST_PHASE_SCV - 0.03 if arrival == "phase" else LEAST_SCV
            chosen = [p for p in points if (p.arrival, p.service) == (arrival, service) and p.ca2 >= least]
            out[f"{arrival}/{service}"] = _fit_pair(arrival, service, chosen)
    return out


def _fit_pair(arrival: Shape, service: Shape, points: Sequence[Point]) -> dict[str, list[float]]:
    c, rho, ca2, cs2, probability, mean = (
        np.array([getattr(p, name) for p in points], float)
        for name in ("c", "rho", "ca2", "cs2", "probability", "mean")
    )
    base = baseline(rho * c, c, ca2, cs2, arrival)
    t, h, x, y = coordinates(arrival, base.t, c, ca2, cs2)
    targets: dict[Quantity, Floats] = {
        "probability": logit(probability) - base.logit_probability,
        "mean": np.log(mean / base.mean),
        "scv": np.log(tail_scv(points)),
    }
    # the sampling error of a mean wait, from that of M/M/1 (relative to the error of the surface itself) ...
    noise = 2 * (ca2 + cs2) / (CUSTOMERS * (1 - rho) ** 2 * probability) / SURFACE_ERROR**2
    # ... and waits that hardly ever happen matter little
    weight = 1 / np.sqrt(1 + noise) / (1 + 0.02 / probability)
    out: dict[str, list[float]] = {}
    for quantity, target in targets.items():
        columns = [
            t**i * h**j * x**k * y**l * ((1 - h) if anchored else 1.0)
            for i, j, k, l, anchored in terms(quantity, arrival, service)  # noqa: E741
        ]
        design = np.array(columns).T
        scale = np.abs(design).max(axis=0)
        rows = design / scale * weight[:, None]
        ridge = RIDGE * np.sqrt(len(points)) * np.eye(len(scale))
        solution, *_ = np.linalg.lstsq(
            np.vstack([rows, ridge]), np.concatenate([target * weight, np.zeros(len(scale))]), rcond=None
        )
        out[quantity] = [float(f"{a:.7g}") for a in solution / scale]
    return out


def read_points(path: Path) -> list[Point]:
    """Points of a file that `simulate` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Point(r[0], r[1], int(r[2]), *(float(v) for v in r[3:13]))  # type: ignore[arg-type]
            for r in csv.reader(file)
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """The two steps as commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("simulate", "fit"))
    parser.add_argument("points", type=Path, help="CSV file of simulated queues")
    parser.add_argument("--first", type=int, default=0, help="first draw of the design")
    parser.add_argument("--draws", type=int, default=420, help=f"how many draws; the design has {DRAWS}")
    args = parser.parse_args(arguments)
    if args.step == "simulate":
        _simulate(args.points, range(args.first, min(args.first + args.draws, DRAWS)))
    else:
        points = read_points(args.points)
        header = {"made_by": "python -m capacity.simulation.surfaces", "queues": len(points), "customers": CUSTOMERS}
        write_text(FILE, json.dumps(header | {"coefficients": fit(points)}, indent=1) + "\n")


def _simulate(path: Path, draws: Iterable[int]) -> None:
    for index in draws:
        points = simulate_draw(index)
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(points)
        print(f"draw {index}: {len(points)} queues", flush=True)


if __name__ == "__main__":
    main()
