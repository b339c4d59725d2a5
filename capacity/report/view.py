"""The view model: every figure and sentence of the report, in the order an officer reads, unformatted. Pure."""

from __future__ import annotations

from collections.abc import Callable

from capacity.report.estimate import Estimate, estimate
from capacity.report.sections import assurance, leased, needs, records, summary
from capacity.report.sources import Sources
from capacity.report.values import Block, Both, Report, Say

Section = Callable[[Sources, Estimate], tuple[Block, ...]]

SECTIONS: tuple[Section, ...] = (
    summary.summary,
    needs.needs,
    leased.leased,
    leased.owner_estimate,
    assurance.certainty,
    assurance.alternatives_weighed,
    records.people,
    leased.specification,
    leased.renewals,
    assurance.risks,
    records.assumptions,
    records.rules_in_force,
    assurance.load_tests,
    records.recompute,
)


def build(sources: Sources) -> Report:
    """The report of a lease plan. BadInput when the plan contradicts itself."""
    totals = estimate(sources.plan, sources.inputs.vat)
    return Report(
        title=Say("report.title"),
        subtitle=Both(sources.plan.title_id, sources.plan.title_en),
        plan_hash=sources.plan_hash,
        indicative=sources.plan.cost.indicative,
        blocks=tuple(block for section in SECTIONS for block in section(sources, totals)),
    )
