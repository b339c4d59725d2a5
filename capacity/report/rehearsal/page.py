"""Fills the rehearsal page. Predicted and measured figures are kept apart by colour, column and word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from capacity.evidence import Evidence
from capacity.leaseplan import LeasePlan
from capacity.validation.compare import Comparison, accuracy_words
from capacity.validation.verdict import Verdict


@dataclass(frozen=True, slots=True)
class BuiltServer:
    """One server as the fleet stack gave it."""

    name: str
    role: str
    sku: str
    address: str
    reach: str


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of the rehearsal with its wall-clock seconds."""

    name: str
    seconds: float
    result: str


def render(
    plan: LeasePlan,
    verdict: Verdict,
    evidence: Evidence,
    servers: Sequence[BuiltServer],
    steps: Sequence[StepTime],
) -> str:
    """One self-contained HTML page; it loads nothing from outside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["ms"] = lambda value: "–" if value is None else f"{value:,.0f}"
    environment.filters["share"] = lambda value: "–" if value is None else f"{value:.1%}"
    environment.filters["error"] = _error
    environment.filters["rupiah"] = lambda value: "Rp " + f"{value:,}".replace(",", ".")
    phase = plan.phase(verdict.phase)
    return environment.get_template("page.html.j2").render(
        plan=plan,
        phase=phase,
        phases=plan.phases,
        verdict=verdict,
        evidence=evidence,
        servers=servers,
        steps=steps,
        total_seconds=sum(step.seconds for step in steps),
        longest=max((step.seconds for step in steps), default=1.0),
        bars=[_bar(row) for row in verdict.endpoints],
        held_out=[row for row in verdict.held_out if row.telling],
        accuracy=accuracy_words(verdict.accuracy),
        provinces=[code for p in plan.phases if p.id <= verdict.phase for code in p.provinces],
        businesses=sum(p.businesses for p in plan.phases if p.id <= verdict.phase),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """Predicted and measured p95 of an endpoint as lengths (percent of the scale), on a logarithmic axis."""

    row: Comparison
    predicted_percent: float | None
    measured_percent: float


def _error(row: Comparison) -> str:
    return "–" if row.error is None else f"{row.error:+.0%}" if row.telling else "not judged"


LOWEST_MS = 1.0
HIGHEST_MS = 10_000.0


def _bar(row: Comparison) -> Bar:
    return Bar(row, None if row.predicted is None else _percent(row.predicted), _percent(row.measured))


def _percent(value_ms: float) -> float:
    bounded = min(max(value_ms, LOWEST_MS), HIGHEST_MS)
    return 100 * math.log(bounded / LOWEST_MS) / math.log(HIGHEST_MS / LOWEST_MS)
