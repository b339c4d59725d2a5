"""The view model: every figure and sentence of the report, in the order an officer reads, unformatted. Pure."""

from __future__ import annotations

from collections.abc import Callable

from capacity.evidence import Evidence
from capacity.inputs import Inputs
from capacity.leaseplan import LeasePlan
from capacity.report.estimate import Estimate, estimate
from capacity.report.sections import (
    assurance,
    leased,
    measured,
    needs,
    ownerestimate,
    records,
    staff,
    summary,
    technical,
)
from capacity.report.sources import RULES, Rule, Sources
from capacity.report.values import Block, Both, Report, Say
from capacity.tables import read_rows

Section = Callable[[Sources, Estimate], tuple[Block, ...]]

SECTIONS: tuple[Section, ...] = (
    summary.summary,
    needs.needs,
    leased.leased,
    ownerestimate.owner_estimate,
    assurance.certainty,
    assurance.alternatives_weighed,
    staff.people,
    technical.specification,
    technical.renewals,
    assurance.risks,
    records.assumptions,
    records.rules_in_force,
    measured.load_tests,
    records.glossary,
    records.recompute,
)


def of_plan(plan: LeasePlan, inputs: Inputs, plan_hash: str, evidence: tuple[Evidence, ...] = ()) -> Report:
    """The report of a lease plan that may stand in no file yet. BadInput when it contradicts itself."""
    return build(Sources(plan, plan_hash, inputs, read_rows(Rule, RULES), evidence))


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
