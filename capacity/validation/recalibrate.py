"""Service demands from a load test: the service-demand law, stage by stage.

Utilisation law (Denning & Buzen 1978): over a stage of T seconds a station's busy time is

    B_s = b_s T + sum_e n_e D_se                                                     (V1)

with n_e the calls of endpoint e, D_se its CPU demand at station s and b_s the station's background load.
A stage without arrivals shows b_s by itself. The mix of endpoints barely changes between the stages of one profile,
so the data alone cannot tell endpoints apart. The planned demands P_se are therefore the prior of a ridge regression
with non-negative coefficients (Hoerl & Kennard 1970), each stage weighted by its own uncertainty w_t:

    min  sum_t ((B_st - b T_t - sum_e n_te D_se) / w_t)^2 + r sum_e ((D_se - f P_se) / (f P_se))^2     (V2)

where f is the station's common factor, first fitted alone together with b, with a wide prior around one. What the
stages can tell moves D; what they cannot stays at the factor times the plan.

Work in threads beside a process's first one, password hashes, is pure computation: how it compares with an event loop's
work differs from machine to machine, and small calls find cold caches in company while it does not. Where the CPU of
these threads was measured, their planned share P'_se = h_e P_se has a factor of its own, from that CPU by (V2) without
ridge and background, and the loops' part is fitted to the rest of B_s. Not so for programs that do next to nothing in
their first threads: there the threads are all of the work, and that is fitted as one.

Machines that others share are not equally fast at all times. Where a fixed piece of work was timed in every stage, B is
first divided by the stage's pace: CPU of that work over its mean in these stages. Demands are then those at the mean
pace, and a prediction multiplies them by the pace of the stage that it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from capacity.calibration import Calibration, MeasuredDemand, ScalabilityFit
from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import Endpoint

RIDGE = 4.0  # prior standard deviation of an endpoint's factor: one half
FACTOR_SPREAD = 2.0  # prior standard deviation of a station's common factor, around one
RELATIVE_NOISE = 0.03  # of a stage's busy time
IDLE_NOISE_CORES = 0.002  # what health checks and housekeeping vary by
# Of the planned share of work in event loops. Below, first threads do not run them, as in programs of other making.
LEAST_IN_LOOPS = 0.1
BOOTSTRAPS = 200
INTERVAL = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class StationFit:
    """Demands (ms a call) of one station by endpoint with 90 % intervals, and its background load in CPU cores.

    `factor`: of all its work over the plan's. `in_threads`: share of an endpoint's demand that runs in threads, where
    that was measured.
    """

    station: str
    factor: float
    background_cores: float
    demands_ms: Mapping[str, tuple[float, float, float]]
    in_threads: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a station did in some stages, and what was planned for it. Seconds; a row a stage, a column an endpoint.

    `threads`: CPU of threads beside the first ones, all zero where it is not fitted apart; `in_threads`: the part of
    `prior` that runs in them, zero likewise.
    """

    duration: NDArray[np.float64]
    busy: NDArray[np.float64]
    threads: NDArray[np.float64]
    calls: NDArray[np.float64]
    prior: NDArray[np.float64]
    in_threads: NDArray[np.float64]

    def again(self, rng: np.random.Generator, sigma: NDArray[np.float64]) -> _Measured:
        """One draw of the bootstrap: of Poisson over calls, and a parametric one over busy time."""
        share = np.divide(self.threads, self.busy, out=np.zeros_like(self.busy), where=self.busy > 0)
        busy = np.maximum(self.busy + rng.normal(0, 1, len(self.busy)) * sigma, 0)
        return replace(self, busy=busy, threads=share * busy, calls=rng.poisson(self.calls).astype(np.float64))


@dataclass(frozen=True, slots=True)
class _Solution:
    """Demands in seconds a call, whole and of that in threads; the station's factor; its background in cores."""

    factor: float
    background: float
    demand: NDArray[np.float64]
    in_threads: NDArray[np.float64]


def measured_stages(evidence: Evidence, held_out: bool | None = False) -> list[StageResult]:
    """The stages that count: no warm-up; `held_out` picks the kept-out ones, the others, or (None) both."""
    return [s for s in evidence.stages if not s.warmup and (held_out is None or s.held_out == held_out)]


def idle_stages(evidence: Evidence) -> list[StageResult]:
    """The stages without arrivals, which show what the stations burn by themselves."""
    return [s for s in evidence.stages if s.share == 0 and not any(r.count for r in s.endpoints)]


def fitted_stages(evidence: Evidence) -> list[StageResult]:
    """Idle stages, and those that count and are not held out."""
    idle = idle_stages(evidence)
    return idle + [s for s in measured_stages(evidence) if s not in idle]


def stations_of(endpoints: Sequence[Endpoint]) -> list[str]:
    """All stations that any endpoint demands CPU of, in a stable order."""
    return sorted({station for endpoint in endpoints for station in endpoint.demand_ms})


def fixed_work_ms(stages: Sequence[StageResult]) -> float | None:
    """CPU of the fixed piece of work, mean over the stages by their lengths; None unless timed in all of them."""
    timed = [(s.duration_s, s.fixed_work_ms) for s in stages if s.fixed_work_ms is not None]
    if not timed or len(timed) < len(stages):
        return None
    return sum(t * ms for t, ms in timed) / sum(t for t, _ in timed)


def pace(stage: StageResult, usual_ms: float | None) -> float:
    """CPU that work takes in a stage over what it usually takes; one where that was not timed."""
    return stage.fixed_work_ms / usual_ms if usual_ms and stage.fixed_work_ms else 1.0


def fit_station(
    station: str, endpoints: Sequence[Endpoint], stages: Sequence[StageResult], seed: int = 0
) -> StationFit | None:
    """Fit (V2) for one station, or None when no stage measured it. Times in seconds, demands in ms."""
    touched = [e for e in endpoints if e.demand_ms.get(station, 0.0) > 0]
    measured = _measured(station, touched, endpoints, stages) if touched else None
    if measured is None:
        return None
    found = _solve(measured)
    rng = np.random.default_rng(seed)
    # Stages are too few to resample alone.
    spread = np.empty((BOOTSTRAPS, len(touched)))
    rest = measured.busy - found.background * measured.duration - measured.calls @ found.demand
    sigma = np.maximum(_noise(measured.busy, measured.duration), np.std(rest))
    for draw in range(BOOTSTRAPS):
        spread[draw] = _solve(measured.again(rng, sigma)).demand
    low, high = np.quantile(spread, INTERVAL, axis=0)
    demands = zip(touched, found.demand, low, high, strict=True)
    shares = zip(touched, found.in_threads, found.demand, strict=True)
    return StationFit(
        station,
        found.factor,
        found.background,
        {e.id: (float(d * 1e3), float(min(lo, d) * 1e3), float(max(hi, d) * 1e3)) for e, d, lo, hi in demands},
        {e.id: float(t / d) for e, t, d in shares if d > 0} if measured.threads.any() else {},
    )


def _measured(
    station: str, touched: Sequence[Endpoint], endpoints: Sequence[Endpoint], stages: Sequence[StageResult]
) -> _Measured | None:
    """What the stages say of the station, at the mean pace; None when no stage measured it or nothing was called."""
    usual = fixed_work_ms(stages)
    rows = [(s, r, pace(s, usual)) for s in stages for r in s.stations if r.station == station]
    counted = [calls_in(s, endpoints) for s, _, _ in rows]
    calls = np.array([[stage.get(e.id, 0.0) for e in touched] for stage in counted])
    if not calls.any():
        return None
    prior = np.array([e.demand_ms[station] / 1e3 for e in touched])
    in_threads = np.array([e.in_threads for e in touched]) * prior
    told = [r.thread_cpu_seconds / p for _, r, p in rows if r.thread_cpu_seconds is not None]
    threads = np.array(told) if len(told) == len(rows) else np.zeros(len(rows))
    duration = np.array([s.duration_s for s, _, _ in rows])
    busy = np.array([r.cpu_seconds / p for _, r, p in rows])
    in_loops = 1 - (calls @ in_threads).sum() / (calls @ prior).sum()
    if in_loops == 1 or not threads.any() or 1 - threads.sum() / busy.sum() < LEAST_IN_LOOPS * in_loops:
        threads, in_threads = np.zeros_like(threads), np.zeros_like(prior)
    return _Measured(duration, busy, threads, calls, prior, in_threads)


def _solve(of: _Measured) -> _Solution:
    """(V2) of what threads took and of the rest."""
    planned = of.calls @ of.in_threads
    weight = _noise(of.threads, of.duration)
    known = 1 / FACTOR_SPREAD**2  # the factor is about one
    in_threads = of.in_threads * float(
        ((planned * of.threads / weight**2).sum() + known) / ((planned**2 / weight**2).sum() + known)
    )
    background, loops = _solve_loops(
        np.maximum(of.busy - of.threads, 0), of.duration, of.calls, of.prior - of.in_threads
    )
    demand = loops + in_threads
    return _Solution(float((of.calls @ demand).sum() / (of.calls @ of.prior).sum()), background, demand, in_threads)


def _solve_loops(
    busy: NDArray[np.float64], duration: NDArray[np.float64], calls: NDArray[np.float64], prior: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    planned = calls @ prior
    weight = _noise(busy, duration)
    # One row for what is known beforehand: the factor is about one.
    design = np.vstack([np.column_stack([planned, duration]) / weight[:, None], [1 / FACTOR_SPREAD, 0.0]])
    first = lsq_linear(design, np.append(busy / weight, 1 / FACTOR_SPREAD), bounds=(0.0, np.inf))
    factor, background = float(first.x[0]), float(first.x[1])
    if factor <= 0:
        return background, np.zeros_like(prior)
    # Scaled unknowns x_e = D_e / (f P_e): the ridge pulls every x to one; the background is free.
    centre = factor * prior
    ridge = np.column_stack([np.sqrt(RIDGE) * np.eye(len(prior)), np.zeros(len(prior))])
    stages = np.column_stack([calls * centre, duration]) / weight[:, None]
    target = np.concatenate([busy / weight, np.sqrt(RIDGE) * np.ones(len(prior))])
    solution = lsq_linear(np.vstack([stages, ridge]), target, bounds=(0.0, np.inf))
    return float(solution.x[-1]), centre * solution.x[:-1]


def _noise(busy: NDArray[np.float64], duration: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(RELATIVE_NOISE * busy, IDLE_NOISE_CORES * duration)


def calls_in(stage: StageResult, endpoints: Sequence[Endpoint]) -> dict[str, float]:
    """Calls of each endpoint in a stage: those that were offered, and those that these made of other services."""
    seen: dict[str, float] = {}
    for result in stage.endpoints:
        seen[result.endpoint] = seen.get(result.endpoint, 0.0) + result.count
    return with_inner_calls(seen, endpoints)


def rates_in(stage: StageResult, endpoints: Sequence[Endpoint]) -> dict[str, float]:
    """The same a second."""
    return {name: count / stage.duration_s for name, count in calls_in(stage, endpoints).items()}


def with_inner_calls(calls: Mapping[str, float], endpoints: Sequence[Endpoint]) -> dict[str, float]:
    """Add the calls that endpoints make of other endpoints (one level deep, as the service does)."""
    out = dict(calls)
    for endpoint in endpoints:
        for inner, count in endpoint.calls.items():
            if endpoint.id in calls:
                out[inner] = out.get(inner, 0.0) + calls[endpoint.id] * count
    return out


def overhead_ms(
    endpoints: Sequence[Endpoint], stages: Sequence[StageResult], fits: Mapping[str, StationFit]
) -> dict[str, float]:
    """Response time (ms) that CPU does not explain, per endpoint: the quietest stage's mean less its demands."""
    out: dict[str, float] = {}
    for endpoint in endpoints:
        means = [
            (s.offered_calls_per_s, r.mean_ms)
            for s in stages
            for r in s.endpoints
            if r.endpoint == endpoint.id and r.count >= 5
        ]
        if not means:
            continue
        cpu = sum(fit.demands_ms.get(endpoint.id, (0.0,))[0] for fit in fits.values())
        out[endpoint.id] = max(0.0, min(means)[1] - cpu)
    return out


def fit_stations(endpoints: Sequence[Endpoint], evidence: Evidence) -> dict[str, StationFit]:
    """Every station that the evidence measured, fitted over its stages less warm-up and held-out ones."""
    stages = fitted_stages(evidence)
    fits = {s: fit_station(s, endpoints, stages, seed=n) for n, s in enumerate(stations_of(endpoints))}
    return {station: fit for station, fit in fits.items() if fit is not None}


def calibration(
    evidence: Evidence,
    evidence_hash: str,
    fits: Mapping[str, StationFit],
    overheads_ms: Mapping[str, float],
    scalability: Sequence[ScalabilityFit] = (),
) -> Calibration:
    """The fits as the document that `oss plan` reads; `overheads_ms` is the time that no CPU explains."""
    return Calibration(
        version=1,
        run=evidence.run,
        evidence=evidence_hash,
        machine=evidence.machine,
        demands=tuple(
            MeasuredDemand(station=s, endpoint=e, demand_ms=round(d, 4), low_ms=round(lo, 4), high_ms=round(hi, 4))
            for s, fit in sorted(fits.items())
            for e, (d, lo, hi) in sorted(fit.demands_ms.items())
        ),
        scalability=tuple(scalability),
        overhead_ms={k: round(v, 3) for k, v in sorted(overheads_ms.items())},
    )
