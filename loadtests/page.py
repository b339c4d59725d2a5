"""A run as a page for people and as JUnit XML for build servers. Pure: evidence and timeline in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader

from capacity.evidence import Evidence, StageResult
from loadtests import histogram
from loadtests.charts import Point, Span, latency_chart, load_chart, read_timeline
from loadtests.thresholds import parse

_templates = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True)


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of plan against measurement, in words."""

    stage: str
    what: str
    predicted: str
    measured: str
    error: str


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """An endpoint over all measured stages and classes; times in ms."""

    name: str
    calls: int
    errors: int
    p50: float
    p95: float
    p99: float
    max: float


def measured_stages(evidence: Evidence) -> list[StageResult]:
    """The stages that count; all of them when there is nothing but warm-up."""
    return [stage for stage in evidence.stages if not stage.warmup] or list(evidence.stages)


def stage_p95_ms(stage: StageResult) -> float:
    """95th percentile over all calls of a stage."""
    return histogram.percentile_ms(histogram.merged(r.histogram for r in stage.endpoints if r.count), 95)


def endpoint_lines(stages: Sequence[StageResult]) -> list[EndpointLine]:
    """One line for each endpoint, by name."""
    lines = []
    for name in sorted({r.endpoint for s in stages for r in s.endpoints}):
        results = [r for s in stages for r in s.endpoints if r.endpoint == name and r.count]
        latency = histogram.merged(r.histogram for r in results)
        times = (histogram.percentile_ms(latency, p) for p in (50, 95, 99, 100))
        lines.append(EndpointLine(name, sum(r.count for r in results), sum(r.errors for r in results), *times))
    return lines


def render(evidence: Evidence, timeline: str, compared: Sequence[Compared] = ()) -> str:
    """The page."""
    points, spans = read_timeline(timeline), spans_of(evidence)
    stages = [
        {**s.model_dump(exclude={"endpoints", "stations"}), "p95_ms": stage_p95_ms(s), "errors": _errors(s)}
        for s in evidence.stages
    ]
    return _templates.get_template("run.html").render(
        e=evidence,
        points=points,
        latency=latency_chart(points, spans, _bounds(evidence)),
        load=load_chart(points, spans),
        stages=stages,
        endpoints=endpoint_lines(measured_stages(evidence)),
        stations=[{"stage": s.label, "r": r} for s in measured_stages(evidence) for r in s.stations],
        compared=compared,
    )


def spans_of(evidence: Evidence) -> list[Span]:
    """The stages on the time axis."""
    ends = list(accumulate(s.duration_s for s in evidence.stages))
    return [
        Span(s.label, end - s.duration_s, end, s.offered_calls_per_s, s.achieved_calls_per_s)
        for s, end in zip(evidence.stages, ends, strict=True)
    ]


def junit(evidence: Evidence) -> str:
    """JUnit XML: one test for the run's validity, one for each rule."""
    duration = sum(s.duration_s for s in evidence.stages)
    valid = evidence.verdict in ("passed", "failed")
    broken = [t for t in evidence.thresholds if not t.passed]
    suite = ElementTree.Element(
        "testsuite",
        name=f"load test {evidence.profile}",
        tests=str(1 + len(evidence.thresholds)),
        failures=str(len(broken)),
        errors=str(0 if valid else 1),
        time=f"{duration:.1f}",
        timestamp=evidence.started.isoformat(timespec="seconds"),
        hostname=evidence.target,
    )
    name = f"loadtest.{evidence.profile}.phase{evidence.phase}"
    case = ElementTree.SubElement(suite, "testcase", classname=name, name="the run is valid", time=f"{duration:.1f}")
    if not valid:
        ElementTree.SubElement(case, "error", type=evidence.verdict, message="; ".join(evidence.reasons))
    for rule in evidence.thresholds:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=rule.rule, time="0")
        if not rule.passed:
            measured = "nothing" if rule.value is None else f"{rule.value:.4g} {rule.unit}".strip()
            ElementTree.SubElement(case, "failure", type="threshold", message=f"measured {measured}")
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _errors(stage: StageResult) -> int:
    return sum(r.errors for r in stage.endpoints)


def _bounds(evidence: Evidence) -> list[tuple[str, float]]:
    """Bounds of the rules about all calls' times, to be drawn where the times are."""
    rules = [parse(t.rule) for t in evidence.thresholds]
    return [(r.text, r.bound) for r in rules if r.is_time and r.kind is None and r.endpoint is None]


__all__ = ["Compared", "Point", "endpoint_lines", "junit", "measured_stages", "render", "stage_p95_ms"]
