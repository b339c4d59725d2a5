"""How a station's throughput grows with the CPU that works on it: the Universal Scalability Law over stages.

N is what a station kept busy in a stage (cores, its idling taken off), X the calls a second that visited it. Where the
law's contention and coherency are zero, a call's demand is the same at any load; where they are not, the demand that
was measured at low load is too small for high load.

Three stages and three unknowns leave no residuals, so the interval comes from what the measurements themselves vary
by: Poisson counts of calls, and the noise of a stage's CPU time that `recalibrate` weighs its stages with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from capacity.calibration import ScalabilityFit
from capacity.evidence import StageResult
from capacity.leaseplan import Endpoint
from capacity.queueing import fit_usl
from capacity.validation.recalibrate import (
    BOOTSTRAPS,
    IDLE_NOISE_CORES,
    INTERVAL,
    RELATIVE_NOISE,
    StationFit,
    calls_in,
    fixed_work_ms,
    pace,
)

LEAST_STAGES = 3
Floats = NDArray[np.float64]


def scalability(
    endpoints: Sequence[Endpoint], stages: Sequence[StageResult], fits: Mapping[str, StationFit], seed: int = 0
) -> tuple[ScalabilityFit, ...]:
    """One fit for each station that at least three stages of different load measured."""
    found = (
        _station(station, endpoints, stages, fit, seed + n) for n, (station, fit) in enumerate(sorted(fits.items()))
    )
    return tuple(fit for fit in found if fit is not None)


def _station(
    station: str, endpoints: Sequence[Endpoint], stages: Sequence[StageResult], fit: StationFit, seed: int
) -> ScalabilityFit | None:
    here = {e.id for e in endpoints if e.demand_ms.get(station, 0.0) > 0}
    seconds, busy, calls = [], [], []
    usual = fixed_work_ms(stages)
    for stage in stages:
        cpu_s = next((r.cpu_seconds / pace(stage, usual) for r in stage.stations if r.station == station), None)
        count = sum(n for e, n in calls_in(stage, endpoints).items() if e in here)
        if cpu_s is not None and count > 0 and cpu_s > fit.background_cores * stage.duration_s:
            seconds.append(stage.duration_s)
            busy.append(cpu_s - fit.background_cores * stage.duration_s)
            calls.append(count)
    times, work, counts = (np.array(values, float) for values in (seconds, busy, calls))
    if len(np.unique(np.round(work / times, 4))) < LEAST_STAGES:
        return None
    best = _fit(work / times, counts / times)
    rng = np.random.default_rng(seed)
    noise = np.hypot(RELATIVE_NOISE * work, IDLE_NOISE_CORES * times)
    draws = []
    for _ in range(BOOTSTRAPS):
        drawn = np.maximum(work + rng.normal(0, 1, len(work)) * noise, 1e-3 * work)
        draws.append(_fit(drawn / times, np.maximum(rng.poisson(counts), 1) / times))
    low, high = np.quantile(np.array(draws), INTERVAL, axis=0)
    ends = [(float(min(lo, b)), float(max(hi, b))) for b, lo, hi in zip(best, low, high, strict=True)]
    return ScalabilityFit(
        station=station,
        rate_per_s=float(best[0]),
        contention=float(best[1]),
        coherency=float(best[2]),
        rate_interval=ends[0],
        contention_interval=ends[1],
        coherency_interval=ends[2],
    )


def _fit(n: Floats, throughput: Floats) -> Floats:
    found = fit_usl(n, throughput, bootstraps=1)
    return np.array([found.rate.value, found.contention.value, found.coherency.value])
