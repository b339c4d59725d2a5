"""How far the queueing formulas are from exact values and from simulation, and how fast they are.

Errors beside a textbook peer: Erlang formulas against high-precision sums, G/G/c against our own simulation (each
difference less the simulation's 95 % half-width), where the peer is Allen and Cunneen's formula with exponential waits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from typing import Any

import mpmath
import numpy as np
from line_solver.api.qsys import qsys_mmk

from capacity.queueing import (
    Wait,
    erlang_a,
    erlang_b,
    erlang_c,
    ggc_response_quantile,
    ggc_wait_mean,
    min_servers,
    mmc_wait,
    quota_response_quantile,
    response_quantile,
)
from capacity.queueing.shapes import SHAPES, Shape
from capacity.simulation.fcfs import simulate_ggc
from capacity.simulation.quota import simulate_quota

SERVERS = (1, 2, 4, 16, 64)
UTILISATIONS = (0.5, 0.8, 0.9)
SCV_PAIRS = ((0.5, 0.5), (0.5, 4.0), (1.0, 2.0), (4.0, 0.5), (4.0, 4.0))
CUSTOMERS = 1_500_000
FLOOR = 0.01
"""A mean wait below this share of the service time moves no response and is not held to the bar."""


def row(name: str, ours: float, unit: str, peer: str, peer_value: float, bar: str, holds: bool) -> dict[str, Any]:
    """One row of the bench."""
    ratio = round(peer_value / ours, 2) if ours > 0 and peer_value > 0 else None
    return {
        "name": name,
        "ours": float(f"{ours:.3g}"),
        "unit": unit,
        "peer": peer,
        "peer_value": float(f"{peer_value:.3g}"),
        "ratio": ratio,
        "bar": bar,
        "holds": bool(holds),
    }


def erlang_errors() -> tuple[float, float, float]:
    """Worst relative errors of Erlang B, C and A against sums of 40 digits."""
    mpmath.mp.dps = 40
    worst_b = worst_c = worst_a = 0.0
    for c, rho in product((1, 2, 10, 64, 500, 4000), (0.1, 0.5, 0.9, 0.99, 1.1, 3.0)):
        a = rho * c
        total = term = mpmath.mpf(1)
        for k in range(c, 0, -1):
            term *= mpmath.mpf(k) / mpmath.mpf(a)
            total += term
        b = 1 / total
        if b < 1e-300:
            continue  # below what a double holds
        worst_b = max(worst_b, float(abs(mpmath.mpf(float(erlang_b(c, a))) / b - 1)))
        if rho < 1:
            exact = b / (1 - mpmath.mpf(a) / c * (1 - b))
            worst_c = max(worst_c, float(abs(mpmath.mpf(float(erlang_c(c, a))) / exact - 1)))
    for c, rho, theta in product((1, 10, 100), (0.5, 0.95, 1.2), (0.02, 0.5, 5.0)):
        weights = [mpmath.mpf(1)]
        while len(weights) < c + 2 or weights[-1] > mpmath.mpf(10) ** -25 * weights[c]:
            n = len(weights)
            weights.append(weights[-1] * rho * c / (min(n, c) + max(n - c, 0) * mpmath.mpf(theta)))
        queue = mpmath.fsum(max(n - c, 0) * w for n, w in enumerate(weights)) / mpmath.fsum(weights)
        ours = float(erlang_a(rho * c, 1.0, c, 1 / theta).mean_queue)
        worst_a = max(worst_a, float(abs(mpmath.mpf(ours) / queue - 1)))
    return worst_b, worst_c, worst_a


def ggc_errors(shape: Shape) -> dict[str, float]:
    """Worst errors over the grid, of ours and of the textbook, for the mean wait and the p95 of the response."""
    worst = {"mean": 0.0, "p95": 0.0, "textbook mean": 0.0, "textbook p95": 0.0}
    for number, (c, rho, (ca2, cs2)) in enumerate(product(SERVERS, UTILISATIONS, SCV_PAIRS)):
        # busy queues of many servers forget slowly
        customers = CUSTOMERS * (4 if rho == 0.9 and c >= 16 else 2 if rho == 0.9 else 1)
        run = simulate_ggc(
            rho * c, 1.0, c, ca2, cs2, customers=customers, seed=number, arrival_shape=shape, service_shape=shape
        )
        mean, p95 = run.wait_mean(), run.response_quantile(0.95)
        factor = (ca2 + cs2) / 2
        plain = Wait(erlang_c(c, rho * c), np.array(factor / (c * (1 - rho))), np.ones(()))
        answers = {
            "mean": float(ggc_wait_mean(rho * c, 1.0, c, ca2, cs2, shape, shape)),
            "p95": float(ggc_response_quantile(0.95, rho * c, 1.0, c, ca2, cs2, shape, shape)),
            "textbook mean": float(plain.mean),
            "textbook p95": float(response_quantile(0.95, plain, 1.0, cs2, shape)),
        }
        for name, value in answers.items():
            truth = mean if name.endswith("mean") else p95
            off = max(abs(value - truth.value) - truth.half_width, 0.0) / max(truth.value, FLOOR)
            worst[name] = max(worst[name], off)
    return worst


def quota_error() -> tuple[float, float]:
    """Worst error of the p95 under a CPU quota: ours, and a server of the quota's speed."""
    ours = slow = 0.0
    for quota, service, rho in product((0.3, 0.5), (0.005, 0.02), (0.5, 0.7, 0.85)):
        rate = rho * quota / service
        p95 = simulate_quota(rate, service, quota, customers=400_000).response_quantile(0.95)
        found = float(quota_response_quantile(0.95, rate, service, quota))
        fluid = float(ggc_response_quantile(0.95, rate, service / quota, 1))
        ours = max(ours, (abs(found - p95.value) - p95.half_width) / p95.value)
        slow = max(slow, (abs(fluid - p95.value) - p95.half_width) / p95.value)
    return ours, slow


def per_second(work: Callable[[], object], count: int) -> float:
    """Items of work a CPU second."""
    work()
    before = time.process_time()
    work()
    return count / max(time.process_time() - before, 1e-9)


def rows() -> list[dict[str, Any]]:
    """Accuracy first, then speed."""
    out = []
    for name, error in zip(("B", "C", "A (mean queue)"), erlang_errors(), strict=True):
        out.append(
            row(f"Erlang {name}, worst relative error", error, "", "40-digit sums", 0.0, "<= 1e-9", error <= 1e-9)
        )
    for shape in SHAPES:
        worst = ggc_errors(shape)
        grid = f"G/G/c, {shape} times, c 1-64, utilisation 0.5-0.9, scv 0.5-4"
        peer = "Allen-Cunneen, exponential wait"
        out.append(
            row(f"{grid}: mean wait, worst error beyond the simulation's", worst["mean"], "", peer,
                worst["textbook mean"], "<= 5 %", worst["mean"] <= 0.05)
        )  # fmt: skip
        out.append(
            row(f"{grid}: p95 of response, worst error beyond the simulation's", worst["p95"], "", peer,
                worst["textbook p95"], "<= 10 %", worst["p95"] <= 0.10)
        )  # fmt: skip
    ours, fluid = quota_error()
    out.append(
        row("p95 under a CPU quota, worst error beyond the simulation's", ours, "", "server of the quota's speed",
            fluid, "<= 12 %", ours <= 0.12)
    )  # fmt: skip
    c, load = np.repeat(np.arange(1, 101), 1000), np.tile(np.linspace(0.01, 0.99, 1000), 100)
    ours = per_second(lambda: mmc_wait(load * c, 1.0, c), c.size)
    some = [(int(k), float(x)) for k, x in zip(c[::500], load[::500] * c[::500], strict=True)]
    line = per_second(lambda: [qsys_mmk(x, 1.0, k) for k, x in some], len(some))
    out.append(
        {
            "name": "M/M/c mean waits",
            "ours": round(ours),
            "unit": "queues/CPU s",
            "peer": f"line-solver {version('line-solver')}",
            "peer_value": round(line),
            "ratio": round(ours / line, 1),
            "bar": ">= 10 times the peer",
            "holds": ours >= 10 * line,
        }
    )
    rates = np.linspace(1, 5000, 360_000)
    slo = ((0.95, 0.3), (0.99, 0.5))
    before = time.process_time()
    found = min_servers(rates, 0.05, slo, 1.0, 1.5, 0.7)
    spent = time.process_time() - before
    alone = [int(min_servers(float(r), 0.05, slo, 1.0, 1.5, 0.7)) for r in rates[::18_000]]
    agree = bool(np.all(found[::18_000] == alone))
    out.append(
        {
            "name": "fewest servers for p95 and p99, 360 000 rates (10 000 draws x 36 months)",
            "ours": round(spent, 3),
            "unit": "CPU s",
            "peer": "",
            "peer_value": None,
            "ratio": None,
            "bar": "<= 1 s, and what a search for each rate alone finds",
            "holds": bool(spent <= 1 and agree),
        }
    )
    return out


if __name__ == "__main__":
    print(json.dumps(rows(), indent=2))
