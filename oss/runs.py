"""Showing a load test: tables on the terminal, a page and JUnit XML beside the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capacity.documents import load, shown
from capacity.evidence import Evidence, StageResult, StationResult
from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan
from loadtests.keeping import keep_pages
from loadtests.page import Compared, endpoint_lines, measured_stages, stage_p95_ms
from oss.console import out, table

if TYPE_CHECKING:
    from capacity.validation.compare import Comparison


def write_pages(evidence: Evidence, path: Path, plan: LeasePlan | None) -> Path:
    """Write `<run>.html` and `<run>.junit.xml` beside the evidence; returns the page. Raises StepFailed."""
    timeline = path.with_suffix(".timeline.csv")
    text = timeline.read_text(encoding="utf-8") if timeline.exists() else ""
    return keep_pages(evidence, text, path, compared(evidence, plan) if plan else ())


def compared(evidence: Evidence, plan: LeasePlan) -> list[Compared]:
    """The model's predictions beside what was measured, where the plan is the one that gave the rates."""
    try:
        deployment = plan.deployment(evidence.phase, evidence.scale)
    except BadInput:
        return []
    # Only here: the model's statistics take a second to load, which not every run needs.
    from capacity.validation.compare import compare, conditions
    from capacity.validation.recalibrate import fit_stations

    fits = fit_stations(plan.endpoints, evidence)
    given = conditions(deployment, plan.endpoints, evidence, fits, with_measured=False)
    lines = []
    for row in compare(deployment, plan.endpoints, measured_stages(evidence), given):
        if row.quantity == "utilisation":
            measured = f"{row.measured:.1%}"
            predicted = "-" if row.predicted is None else f"{row.predicted:.1%}"
            lines.append(Compared(row.stage, f"CPU of {row.subject}", predicted, measured, _error(row)))
        elif row.telling:
            predicted = "-" if row.predicted is None else f"{row.predicted:.0f} ms"
            what = f"p95 of {row.subject} ({row.samples} calls)"
            lines.append(Compared(row.stage, what, predicted, f"{row.measured:.0f} ms", _error(row)))
    return lines


def _error(row: Comparison) -> str:
    return "-" if row.error is None else f"{row.error:+.0%}" if row.telling else "not judged"


def read(path: Path) -> Evidence:
    """Evidence from a file. Raises BadInput."""
    return load(Evidence, path)


def show(evidence: Evidence, path: Path) -> None:
    """Print stages, endpoints, stations, rules and the verdict."""
    measured = measured_stages(evidence)
    table(
        "Stages: offered and achieved",
        ("stage", "s", "journeys/s", "achieved", "calls/s", "achieved", "unsent", "p95 ms", "errors"),
        [_stage_row(stage) for stage in evidence.stages],
        right=range(1, 9),
    )
    table(
        "Endpoints, all measured stages",
        ("endpoint", "calls", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"),
        [
            (e.name, e.calls, e.errors or "-", *(f"{t:.0f}" for t in (e.p50, e.p95, e.p99, e.max)))
            for e in endpoint_lines(measured)
        ],
        right=range(1, 7),
    )
    stations = [_station_row(s.label, r) for s in measured for r in s.stations]
    if stations:
        columns = ("stage", "station", "CPU s", "in threads", "CPUs", "used", "throttled")
        table("Stations, measured", columns, stations, right=range(2, 7))
    rows = [
        (t.rule, "-" if t.value is None else f"{t.value:.4g} {t.unit}", "held" if t.passed else "BROKEN")
        for t in evidence.thresholds
    ]
    table("Rules", ("rule", "measured", ""), rows, right=(1,))
    if health := evidence.generator:
        out.print(
            f"generator: {health.workers} process{'es' if health.workers > 1 else ''}, lateness p99 "
            f"{health.lateness_p99_ms:.1f} ms (bound {health.lateness_bound_ms:g}), {health.cpu_seconds:.1f} s of CPU",
            markup=False,
        )
    out.print(f"{evidence.verdict.upper()}", style="bold", markup=False)
    for reason in evidence.reasons:
        out.print(f"  {reason}", markup=False, soft_wrap=True)
    out.print(f"evidence: {shown(path)}", markup=False, soft_wrap=True)


def _station_row(stage: str, result: StationResult) -> tuple[object, ...]:
    shares = (f"{share:.1%}" for share in (result.utilisation, result.throttled_share))
    apart = "-" if result.thread_cpu_seconds is None else f"{result.thread_cpu_seconds:.2f}"
    return (stage, result.station, f"{result.cpu_seconds:.2f}", apart, f"{result.servers:g}", *shares)


def _stage_row(stage: StageResult) -> tuple[object, ...]:
    label = f"{stage.label} (warm-up)" if stage.warmup else stage.label
    rates = (stage.offered_journeys_per_s, stage.achieved_journeys_per_s)
    calls = (stage.offered_calls_per_s, stage.achieved_calls_per_s)
    return (
        label,
        f"{stage.duration_s:.0f}",
        *(f"{rate:.2f}" for rate in (*rates, *calls)),
        stage.unsent or "-",
        f"{stage_p95_ms(stage):.0f}",
        sum(r.errors for r in stage.endpoints) or "-",
    )
