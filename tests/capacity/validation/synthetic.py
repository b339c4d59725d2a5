"""Evidence made from known service demands, so that a fit can be held against the truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram

from capacity.evidence import (
    EndpointResult,
    Evidence,
    GeneratorHealth,
    Machine,
    StageResult,
    StationResult,
    ThresholdResult,
)
from capacity.leaseplan import Endpoint
from capacity.validation.recalibrate import with_inner_calls

START = dt.datetime(2018, 7, 1, 9, tzinfo=dt.UTC)


def endpoint(name: str, demand_ms: dict[str, float], calls: dict[str, float] | None = None) -> Endpoint:
    """An endpoint with planned demands; the rest does not matter to a fit."""
    return Endpoint(
        id=name,
        service=name.partition(".")[0],
        method="GET",
        path="/",
        demand_ms=demand_ms,
        calls=calls or {},
        slo_p95_ms=800,
        slo_p99_ms=2000,
    )


def histogram(values_ms: Sequence[float]) -> str:
    """Response times as evidence stores them."""
    made = HdrHistogram(1, 3_600_000_000, 3)
    for value in values_ms:
        made.record_value(round(value * 1e3))
    return str(made.encode().decode())


def stage(
    endpoints: Sequence[Endpoint],
    truth_ms: Mapping[str, Mapping[str, float]],
    rates: Mapping[str, float],
    share: float,
    seed: int,
    background: float = 0.02,
    servers: float = 1.0,
    duration_s: float = 60.0,
    held_out: bool = False,
) -> StageResult:
    """A stage in which each call of an endpoint burned exactly `truth_ms[station][endpoint]` plus a background."""
    rng = np.random.default_rng(seed)
    counts = {name: int(rng.poisson(rate * share * duration_s)) for name, rate in rates.items()}
    total = with_inner_calls(counts, endpoints)
    stations = [
        StationResult(
            station=name,
            servers=servers,
            cpu_seconds=(busy := background * duration_s + sum(total.get(e, 0) * d / 1e3 for e, d in demands.items())),
            utilisation=busy / (servers * duration_s),
        )
        for name, demands in truth_ms.items()
    ]
    results = [
        EndpointResult(
            endpoint=name, traffic_class="mobile", count=count, errors=0, mean_ms=20, p50_ms=20, p95_ms=20,
            p99_ms=20, max_ms=20, histogram=histogram([20.0] * count),
        )
        for name, count in counts.items()
    ]  # fmt: skip
    calls = sum(counts.values()) / duration_s
    return StageResult(
        label=f"share {share:g}", warmup=False, held_out=held_out, started=START, duration_s=duration_s, share=share,
        offered_journeys_per_s=calls, achieved_journeys_per_s=calls, offered_calls_per_s=calls,
        achieved_calls_per_s=calls,
        unsent=0, endpoints=tuple(results), stations=tuple(stations),
    )  # fmt: skip


def evidence(stages: Sequence[StageResult], plan_hash: str = "sha256:plan") -> Evidence:
    """A passed run over these stages."""
    return Evidence(
        version=1, run="test", kind="load_test", started=START, finished=START + dt.timedelta(minutes=5),
        plan="national", plan_hash=plan_hash, phase=1, scale="rack", load_factor=0.01, profile="rehearsal",
        target="https://127.91.4.11:8443", seed=1, machine=Machine(cores=2, memory_gib=8, cpu="test", kernel="test"),
        generator=GeneratorHealth(
            workers=1, lost_workers=0, cpu_seconds=1, lateness_p50_ms=0.1, lateness_p99_ms=1, lateness_max_ms=2,
            lateness_bound_ms=50,
        ),
        stages=tuple(stages), verdict="passed", reasons=(),
        thresholds=(ThresholdResult(rule="p(95) < 800 ms", value=20, unit="ms", passed=True),),
    )  # fmt: skip
