"""The plan against ways of leasing that weigh shortage, and what each rule of leasing costs. Rupiah with VAT."""

from __future__ import annotations

from capacity.leaseplan import LeaseChoice, LeasePlan, LeaseRisk, RuleCost
from capacity.report.estimate import Estimate
from capacity.report.sections.words import count, listing, money, say
from capacity.report.sources import Sources
from capacity.report.values import Block, Column, Day, Paragraph, Raw, Rupiah, Share, Subheading, Table, Value


def weighing(sources: Sources, totals: Estimate) -> tuple[Block, ...]:
    """Ways of leasing with their risk and why the plan was kept; the price of each rule. Nothing the plan lacks."""
    plan = sources.plan
    blocks: list[Block] = []
    if plan.risk:
        blocks += [
            Subheading(say("alternative.risk_heading")),
            Paragraph(
                say(
                    "alternative.risk_intro",
                    draws=count(plan.draws),
                    price=Rupiah(plan.risk.shortage_idr_per_core_month),
                )
            ),
            _ways(plan, plan.risk),
        ]
        if len(plan.risk.choices) > 1:
            blocks.append(Paragraph(_why(plan, plan.risk)))
    if plan.rule_costs:
        chosen = plan.rule_costs[0].without_idr + plan.rule_costs[0].saving_idr
        blocks += [
            Subheading(say("alternative.rules_heading")),
            Paragraph(say("alternative.rules_intro", chosen=money(plan, chosen))),
            _rules(sources),
        ]
    return tuple(blocks)


def _ways(plan: LeasePlan, risk: LeaseRisk) -> Table:
    def row(c: LeaseChoice) -> tuple[Value, ...]:
        amounts = (Rupiah(n) for n in (c.lease_idr, c.expected_idr, c.cvar_idr, c.regret_idr))
        return (say(f"alternative.way_{c.id}"), count(c.servers), *amounts, Share(c.short_share, 1))

    return Table(
        "lease-risk",
        say("alternative.risk_indicative" if plan.cost.indicative else "alternative.risk"),
        (
            Column(say("alternative.way"), width=34),
            Column(say("alternative.way_servers"), True, 12),
            Column(say("alternative.way_lease"), True, 22),
            Column(say("alternative.way_expected"), True, 22),
            Column(say("alternative.way_worst", share=Share(1 - risk.cvar_level)), True, 22),
            Column(say("alternative.way_regret"), True, 22),
            Column(say("alternative.way_short"), True, 14),
        ),
        tuple(row(c) for c in risk.choices),
        note=say("alternative.risk_note", scenarios=count(risk.scenarios)),
    )


def _why(plan: LeasePlan, risk: LeaseRisk) -> Value:
    """Why the plan was kept; plainly, where another way costs less on average."""
    own = next(c for c in risk.choices if c.id == "plan")
    calmest = next(c for c in risk.choices if c.id == risk.least_regret)
    cheapest = min(risk.choices, key=lambda c: (c.expected_idr, c.id != "plan"))
    kept = Share(1 - own.short_share, 1)
    parts: list[Value] = []
    if cheapest.id == "plan":
        parts.append(say("alternative.risk_kept", expected=money(plan, own.expected_idr), kept=kept))
    else:
        name, expected = say(f"alternative.way_{cheapest.id}"), money(plan, cheapest.expected_idr)
        parts.append(say("alternative.risk_other", kept=kept, name=name, expected=expected))
    if calmest.servers > own.servers and calmest.lease_idr > own.lease_idr:
        parts.append(
            say(
                "alternative.risk_price",
                servers=count(calmest.servers - own.servers),
                more=money(plan, calmest.lease_idr - own.lease_idr),
                short=Share(own.short_share, 1),
            )
        )
    return listing(parts, " ")


def _rules(sources: Sources) -> Table:
    plan, leasing = sources.plan, sources.inputs.launch.leasing

    def stated(rule: RuleCost) -> Value:
        if rule.rule == "vendor_share":
            return say("alternative.rule_vendor_share_value", share=Share(leasing.vendor_share_max))
        if rule.rule == "lead_time" and leasing.earliest_order:
            return say("alternative.rule_lead_time_value", day=Day(leasing.earliest_order))
        return Raw(rule.value)

    return Table(
        "rule-costs",
        say("alternative.rules_indicative" if plan.cost.indicative else "alternative.rules"),
        (
            Column(say("alternative.rule"), width=26),
            Column(say("alternative.rule_value"), width=40),
            Column(say("alternative.rule_without"), True, 24),
            Column(say("alternative.rule_price"), True, 20),
            Column(say("alternative.rule_reason"), width=54),
        ),
        tuple(
            (
                say(f"alternative.rule_{r.rule}"),
                stated(r),
                Rupiah(r.without_idr),
                Rupiah(r.saving_idr),
                say(f"alternative.rule_{r.rule}_reason"),
            )
            for r in plan.rule_costs
        ),
        note=say("alternative.rules_note"),
    )
