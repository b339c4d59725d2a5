"""What the model predicted beside what a load test measured, row by row. The two are never mixed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hdrh.histogram import HdrHistogram
from scipy.stats import binom

from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import Deployment, Endpoint
from capacity.validation.conditions import Conditions, StagePrediction, interleaved
from capacity.validation.histograms import merged_histogram
from capacity.validation.predictions import at_stage, predict_stages
from capacity.validation.recalibrate import (
    StationFit,
    fitted_stages,
    fixed_work_ms,
    measured_stages,
    overhead_ms,
    rates_in,
)
from capacity.validation.residual import residual_ms

CONFIDENCE = 0.9
TELLING_SAMPLES = 60  # fewer answers leave the upper bound of a p95 open
HIGHEST_UTILISATION = 0.8  # near saturation a percentile is a matter of how long the stage lasts
TELLING_UTILISATION = 0.02  # below, a station's idling hides its load


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity at one stage. `low` and `high` bound the measured value at 90 % confidence, None where open.

    `busiest`: utilisation of the busiest station or machine of the stage, as predicted.
    """

    stage: str
    subject: str
    quantity: str
    unit: str
    predicted: float | None
    measured: float
    samples: int = 0
    low: float | None = None
    high: float | None = None
    busiest: float = 0.0

    @property
    def error(self) -> float | None:
        """(measured - predicted) / predicted, positive when reality was worse; None without a prediction."""
        return (self.measured - self.predicted) / self.predicted if self.predicted else None

    @property
    def telling(self) -> bool:
        """Whether the measurement is strong enough to judge the prediction by."""
        if self.predicted is None:
            return False
        if self.quantity == "p95":
            return self.samples >= TELLING_SAMPLES and self.busiest <= HIGHEST_UTILISATION
        return self.predicted >= TELLING_UTILISATION


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well the model foretold held-out stages: medians of |error| over the comparisons strong enough to tell."""

    utilisation: float | None
    p95: float | None
    comparisons: int


def design_stage(evidence: Evidence) -> StageResult | None:
    """The stage run at the design rate: not warm-up, with the share nearest to one among those of at least 0.95."""
    stages = [s for s in evidence.stages if not s.warmup and s.share >= 0.95]
    return min(stages, key=lambda s: (s.share, s.label)) if stages else None


def conditions(
    deployment: Deployment,
    endpoints: Sequence[Endpoint],
    evidence: Evidence,
    fits: Mapping[str, StationFit],
    with_measured: bool,
) -> Conditions:
    """Where the test ran; `with_measured`: its own demands and overheads, fitted without the held-out stages."""
    seconds = sum(s.duration_s for s in evidence.stages)
    generator = evidence.generator.cpu_seconds / seconds if evidence.generator and seconds else 0.0
    shared = evidence.scale == "rack"
    place = Conditions(
        machine_cores=evidence.machine.cores if shared else None,
        other_busy_cores=generator if shared else 0.0,
        generator_ms=_generator_ms(evidence) if shared else 0.0,
        background_cores={s: f.background_cores for s, f in fits.items()},
    )
    if not with_measured:
        return place
    stages = measured_stages(evidence)
    demands = {(s, e): d[0] for s, fit in fits.items() for e, d in fit.demands_ms.items()}
    in_threads = {(s, e): share for s, fit in fits.items() for e, share in fit.in_threads.items()}
    usual = fixed_work_ms(fitted_stages(evidence))
    place = replace(place, demand_ms=demands, in_threads=in_threads, fixed_work_ms=usual)
    if not interleaved(deployment):
        return replace(place, overhead_ms=overhead_ms(endpoints, stages, fits))
    seen = [(stage, rates_in(stage, endpoints), at_stage(place, stage)) for stage in stages]
    return replace(place, overhead_ms=residual_ms(deployment, endpoints, seen))


def _generator_ms(evidence: Evidence) -> float:
    """CPU milliseconds that the generator spends on a call."""
    calls = sum(r.count for s in evidence.stages for r in s.endpoints)
    return evidence.generator.cpu_seconds * 1e3 / calls if evidence.generator and calls else 0.0


def compare(
    deployment: Deployment, endpoints: Sequence[Endpoint], stages: Sequence[StageResult], given: Conditions
) -> list[Comparison]:
    """Every station and endpoint of every stage; the prediction is for the calls that the stage really offered."""
    predictions = predict_stages(deployment, endpoints, stages, given)
    return [
        row
        for stage, prediction in zip(stages, predictions, strict=True)
        for row in (*_stations(stage, prediction), *_endpoints(stage, prediction))
    ]


def accuracy(rows: Iterable[Comparison]) -> Accuracy:
    """Medians over what is strong enough to tell."""
    errors: dict[str, list[float]] = {"utilisation": [], "p95": []}
    for row in rows:
        if row.telling and row.error is not None:
            errors[row.quantity].append(abs(row.error))
    middle = {k: statistics.median(v) if v else None for k, v in errors.items()}
    return Accuracy(middle["utilisation"], middle["p95"], sum(map(len, errors.values())))


def accuracy_words(found: Accuracy) -> str:
    """One sentence on how well held-out stages were foretold; empty where nothing could be told."""
    parts = [
        f"{name} {value:.0%}"
        for name, value in (("utilisation", found.utilisation), ("95th percentile", found.p95))
        if value is not None
    ]
    if not parts:
        return ""
    return f"held-out stages, median error of the prediction: {', '.join(parts)} ({found.comparisons} comparisons)"


def _stations(stage: StageResult, prediction: StagePrediction) -> list[Comparison]:
    predicted = {s.station: s.utilisation for s in prediction.stations}
    return [
        Comparison(stage.label, r.station, "utilisation", "", predicted.get(r.station), r.utilisation)
        for r in stage.stations
    ]


def _endpoints(stage: StageResult, prediction: StagePrediction) -> list[Comparison]:
    """95th percentile of every endpoint in the stage, over all classes that call it."""
    predicted = {e.endpoint: e.p95_ms for e in prediction.endpoints}
    rows = []
    for name in sorted({r.endpoint for r in stage.endpoints}):
        merged = merged_histogram([stage], name)
        if count := merged.get_total_count():
            p95 = merged.get_value_at_percentile(95) / 1e3
            low, high = quantile_bounds(merged, 0.95)
            rows.append(
                Comparison(
                    stage.label, name, "p95", "ms", predicted.get(name), p95, count, low, high, prediction.busiest
                )
            )
    return rows


def quantile_bounds(merged: HdrHistogram, q: float) -> tuple[float | None, float | None]:
    """Bounds (ms) of the q-quantile at 90 % confidence by order statistics (David & Nagaraja 2003, section 7.1)."""
    n = merged.get_total_count()
    tail = (1 - CONFIDENCE) / 2
    below, above = int(binom.ppf(tail, n, q)), int(binom.ppf(1 - tail, n, q)) + 1
    low = merged.get_value_at_percentile(100 * below / n) / 1e3 if below >= 1 else None
    high = merged.get_value_at_percentile(100 * above / n) / 1e3 if above <= n else None
    return low, high
