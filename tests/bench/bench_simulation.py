"""FCFS G/G/c: customers simulated a CPU second, ours against Ciw, on the same queues in the same run."""

from __future__ import annotations

import time
from typing import Any

import ciw

from capacity.queueing import mmc_wait
from capacity.simulation.fcfs import simulate_ggc

CASES = ((1, 0.8), (4, 0.8), (16, 0.9), (64, 0.9))
CUSTOMERS = 4_000_000
PEER_CUSTOMERS = 20_000
FACTOR = 100.0


def ours(c: int, rho: float) -> tuple[float, float]:
    """Customers a CPU second, random numbers and all, and the mean wait."""
    before = time.process_time()
    run = simulate_ggc(rho * c, 1.0, c, customers=CUSTOMERS)
    return CUSTOMERS / (time.process_time() - before), run.wait_mean().value


def peer(c: int, rho: float) -> float:
    """Customers that Ciw serves a CPU second, without the cost of reading its records."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rho * c)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[c],
    )
    ciw.seed(0)
    simulation = ciw.Simulation(network)
    before = time.process_time()
    simulation.simulate_until_max_time(PEER_CUSTOMERS / (rho * c))
    spent = time.process_time() - before
    return len(simulation.get_all_records()) / spent


def rows() -> list[dict[str, Any]]:
    """One row a queue: speed, and in its name how far the mean wait lies from the exact one."""
    simulate_ggc(0.5, 1.0, 1, customers=1000)  # compiled before the clock starts
    out = []
    for c, rho in CASES:
        speed, wait = ours(c, rho)
        peer_speed = peer(c, rho)
        error = wait / float(mmc_wait(rho * c, 1.0, c)) - 1
        out.append(
            {
                "name": f"FCFS simulation M/M/{c}, utilisation {rho:g} (mean wait off by {error:+.1%})",
                "ours": round(speed),
                "unit": "customers/CPU s",
                "peer": f"Ciw {ciw.__version__}",
                "peer_value": round(peer_speed),
                "ratio": round(speed / peer_speed, 1),
                "bar": f">= {FACTOR:g} times the peer",
                "holds": speed >= FACTOR * peer_speed,
            }
        )
    return out


if __name__ == "__main__":
    import json

    print(json.dumps(rows(), indent=2))
