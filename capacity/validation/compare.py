"""What the model predicted beside what a load test measured, row by row. The two are never mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import Deployment

HIGHEST_US = 3_600_000_000
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity at one stage. `error` is (measured - predicted) / predicted; None without a prediction."""

    stage: str
    subject: str
    quantity: str
    unit: str
    predicted: float | None
    measured: float
    samples: int

    @property
    def error(self) -> float | None:
        """Relative error of the prediction, positive when reality was worse."""
        return (self.measured - self.predicted) / self.predicted if self.predicted else None


def design_stage(evidence: Evidence) -> StageResult | None:
    """The stage run at the design rate: not warm-up, with the share nearest to one among those of at least 0.95."""
    stages = [s for s in evidence.stages if not s.warmup and s.share >= 0.95]
    return min(stages, key=lambda s: (s.share, s.label)) if stages else None


def stations(deployment: Deployment, stage: StageResult) -> list[Comparison]:
    """Utilisation of every measured station; the prediction scales with the stage's share (utilisation law)."""
    predicted = {s.id: s.utilisation * stage.share for s in deployment.stations if s.kind != "upstream"}
    return [
        Comparison(stage.label, r.station, "utilisation", "", predicted.get(r.station), r.utilisation, 0)
        for r in stage.stations
    ]


def endpoints(deployment: Deployment, stage: StageResult) -> list[Comparison]:
    """95th percentile of every endpoint in the stage, over all classes that call it."""
    predicted = {e.endpoint: e.p95_ms for e in deployment.endpoints}
    rows = []
    for name in sorted({r.endpoint for r in stage.endpoints}):
        merged = merged_histogram([stage], name)
        if count := merged.get_total_count():
            p95 = merged.get_value_at_percentile(95) / 1e3
            rows.append(Comparison(stage.label, name, "p95", "ms", predicted.get(name), p95, count))
    return rows


def merged_histogram(stages: Sequence[StageResult], endpoint: str) -> HdrHistogram:
    """All response times (microseconds) of an endpoint over stages and classes, in one histogram."""
    merged = HdrHistogram(1, HIGHEST_US, DIGITS)
    for stage in stages:
        for result in stage.endpoints:
            if result.endpoint == endpoint and result.count:
                merged.add(HdrHistogram.decode(result.histogram))
    return merged
