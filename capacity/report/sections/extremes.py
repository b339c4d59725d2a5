"""What named extremes would do to the leased capacity, and which uncertain input moves it most."""

from __future__ import annotations

from capacity.leaseplan import Influence, LeasePlan, StressResult
from capacity.report.plan_texts import figures
from capacity.report.sections.words import count, say, site
from capacity.report.values import Block, Both, Column, Paragraph, Share, Table, Value


def extremes(plan: LeasePlan) -> tuple[Block, ...]:
    """A table of the stress scenarios, one of the inputs' influence, and the next measurement; nothing without them."""
    blocks: list[Block] = []
    if plan.stress:
        blocks.append(_stress(plan))
    if plan.sensitivity:
        blocks.append(_influence(plan))
    for row in plan.sensitivity:
        if row.input == plan.next_measurement:
            measure = Both(row.measure_id, row.measure_en)
            blocks.append(Paragraph(say("extremes.next", name=Both(row.name_id, row.name_en), measure=measure)))
    return tuple(blocks)


def _stress(plan: LeasePlan) -> Table:
    return Table(
        "stress",
        say("extremes.stress"),
        (
            Column(say("extremes.scenario"), width=30),
            Column(say("column.site"), width=24),
            Column(say("extremes.calls"), True, 16),
            Column(say("extremes.nib"), True, 14),
            Column(say("extremes.served"), True, 14),
            Column(say("extremes.workers"), True, 14),
            Column(say("extremes.needed"), True, 14),
            Column(say("column.explanation"), width=48),
        ),
        tuple(_scenario(plan, s) for s in plan.stress),
        note=say("extremes.stress_note"),
    )


def _scenario(plan: LeasePlan, s: StressResult) -> tuple[Value, ...]:
    return (
        Both(s.name_id, s.name_en),
        site(plan, s.site),
        count(s.calls_per_s),
        count(s.registrations_per_day),
        Share(s.served),
        count(s.workers),
        count(s.workers_needed),
        Both(figures(s.detail_id), s.detail_en),
    )


def _influence(plan: LeasePlan) -> Table:
    return Table(
        "influence",
        say("extremes.influence"),
        (
            Column(say("extremes.input"), width=48),
            Column(say("extremes.basis"), width=16),
            Column(say("extremes.load"), True, 16),
            Column(say("extremes.cost"), True, 16),
            Column(say("extremes.risk"), True, 16),
        ),
        tuple(_input(row) for row in plan.sensitivity),
        note=say("extremes.influence_note"),
    )


def _input(row: Influence) -> tuple[Value, ...]:
    basis = say("extremes.estimate" if row.estimate else "extremes.published")
    shares = (Share(row.load_total), Share(row.cost_total), Share(row.risk_total))
    return (Both(row.name_id, row.name_en), basis, *shares)
