"""What was measured against this very plan, and what was not: load tests and drills, each against its prediction."""

from __future__ import annotations

from capacity.evidence import Evidence, StageResult
from capacity.leaseplan import PhasePlan
from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, listing, phase_name, say
from capacity.report.sources import Sources
from capacity.report.values import Block, Column, Heading, Hour, Number, Paragraph, Quoted, Raw, Table, Value

KINDS = ("load_test", "restore_drill", "failover_drill")


def load_tests(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """State by phase and kind; runs; measured beside predicted response times; what other plans' runs there are."""
    runs = [e for e in sources.measured if e.kind == "load_test"]
    blocks: list[Block] = [Heading("load-tests", say("measured.heading"))]
    if runs:
        blocks.append(Paragraph(say("measured.intro")))
    else:
        blocks.append(Paragraph(say("measured.not_yet"), callout=True))
    blocks.append(_state(sources))
    if runs:
        blocks.append(_runs(runs))
    blocks += [
        _endpoints(sources, p, last)
        for p in sources.plan.phases
        if (last := next((e for e in reversed(runs) if e.phase == p.id and e.verdict in ("passed", "failed")), None))
    ]
    others = len(sources.evidence) - len(sources.measured)
    if others:
        blocks.append(Paragraph(say("measured.others", n=count(others))))
    passed = {e.phase for e in runs if e.verdict == "passed"}
    missing = [p for p in sources.plan.phases if p.id not in passed]
    if missing and runs:
        blocks.append(Paragraph(say("measured.missing", phases=listing(phase_name(p) for p in missing)), callout=True))
    return tuple(blocks)


def _state(sources: Sources) -> Table:
    """One row a phase: the last result of each kind, or that it has not been measured."""

    def cell(phase: PhasePlan, kind: str) -> Value:
        runs = [e for e in sources.measured if e.kind == kind and e.phase == phase.id]
        if not runs:
            return say("measured.none")
        last = runs[-1]
        return listing((say(f"measured.{last.verdict}"), say(f"measured.scale_{last.scale}"), Hour(last.started)))

    return Table(
        "measured-state",
        say("measured.state"),
        (
            Column(say("column.phase"), width=10),
            *(Column(say(f"measured.kind_{kind}"), width=44) for kind in KINDS),
        ),
        tuple((phase_name(p), *(cell(p, kind) for kind in KINDS)) for p in sources.plan.phases),
    )


def _runs(runs: list[Evidence]) -> Table:
    def row(e: Evidence) -> tuple[Value, ...]:
        stages = [s for s in e.stages if not s.warmup]
        worst = max((r.p95_ms for s in stages for r in s.endpoints), default=None)
        rate = max((s.achieved_calls_per_s for s in stages), default=None)
        return (
            Hour(e.started),
            Raw(e.profile),
            say("word.phase_n", n=count(e.phase)),
            say(f"measured.scale_{e.scale}"),
            say("word.none") if rate is None else Number(rate, 1),
            say("word.none") if worst is None else count(worst),
            listing((count(sum(t.passed for t in e.thresholds)), count(len(e.thresholds))), "/"),
            say(f"measured.{e.verdict}"),
            listing((Quoted(reason) for reason in e.reasons), "; ") if e.reasons else say("word.none"),
        )

    return Table(
        "load-test-runs",
        say("measured.table"),
        (
            Column(say("column.started"), width=20),
            Column(say("column.profile"), width=14),
            Column(say("column.phase"), width=10),
            Column(say("column.scale"), width=18),
            Column(say("column.achieved"), True, 14),
            Column(say("column.worst_p95"), True, 12),
            Column(say("column.thresholds"), width=10),
            Column(say("column.verdict"), width=12),
            Column(say("column.note"), width=50),
        ),
        tuple(row(e) for e in runs),
        note=say("measured.note"),
    )


def _design_stage(run: Evidence) -> StageResult | None:
    """The stage nearest the design rate; warm-up does not count."""
    stages = [s for s in run.stages if not s.warmup]
    return min(stages, key=lambda s: abs(s.share - 1.0), default=None)


def _endpoints(sources: Sources, phase: PhasePlan, run: Evidence) -> Table:
    stage = _design_stage(run)
    predicted = {e.endpoint: e for e in sources.plan.deployment(phase.id, run.scale).endpoints}
    promised = {e.id: e.slo_p95_ms for e in sources.plan.endpoints}
    found: dict[str, list[tuple[int, int, float]]] = {}
    for r in stage.endpoints if stage else ():
        found.setdefault(r.endpoint, []).append((r.count, r.errors, r.p95_ms))

    def row(name: str) -> tuple[Value, ...]:
        lines = found[name]
        guess = predicted.get(name)
        promise = promised.get(name)
        worst = max(p95 for _, _, p95 in lines)
        within = say("word.none") if promise is None else say("word.yes" if worst <= promise else "word.no")
        return (
            Raw(name),
            count(sum(n for n, _, _ in lines)),
            count(sum(n for _, n, _ in lines)),
            count(worst),
            count(guess.p95_ms) if guess else say("word.none"),
            count(promise) if promise else say("word.none"),
            within,
        )

    return Table(
        f"measured-phase-{phase.id}",
        say(
            "measured.endpoints",
            phase=phase_name(phase),
            scale=say(f"measured.scale_{run.scale}"),
            share=Number(stage.share if stage else 0, 1),
            started=Hour(run.started),
        ),
        (
            Column(say("column.operation"), width=26),
            Column(say("column.calls"), True, 12),
            Column(say("column.errors"), True, 10),
            Column(say("column.measured_p95"), True, 16),
            Column(say("column.predicted_p95"), True, 16),
            Column(say("column.promised_p95"), True, 16),
            Column(say("column.within"), width=14),
        ),
        tuple(row(name) for name in sorted(found)),
        note=say("measured.endpoints_note"),
    )
