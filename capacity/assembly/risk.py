"""The lease plan against its alternatives: over scenarios of demand, and without each of its rules.

The plan covers the design quantile of demand. Alternatives weigh leases against shortage over scenarios (`hedge`) for
the roles whose need follows the load of the hour, in the plan's SKUs; the others they hold as the plan does. They are
leased under the plan's own rules (`cover`), and all are judged by the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from capacity.assembly.computed import Computed
from capacity.assembly.leases import FOLLOWING, alone_by_draw, cost_by_draw, servers_by_draw
from capacity.faults import Infeasible
from capacity.inputs import Inputs
from capacity.leaseplan import LeaseChoice, LeaseRisk, RuleCost
from capacity.leasing import Effort, Hedge, LeaseCover, Needs, Offers, Risk, Rules, cover, hedge
from capacity.leasing.choices import Short, Weighed, strata, weighed
from capacity.leasing.problem import IntArray
from capacity.memo import Calls, direct
from capacity.sizing.needs import lease_needs, offers
from capacity.sizing.workload import Floats

EFFORT = Effort(gap=0.002, seconds=300.0)
"""The time limit is far away, so that a busy machine gives the same plan."""
ALTERNATIVE = Effort(gap=0.005, seconds=300.0)
HEDGE_EFFORT = Effort(gap=0.05, seconds=300.0)
CVAR_LEVEL = 0.95
EDGES = (0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
"""Shares of the draws, by what foresight would cost, that part the scenarios: finer where shortage threatens."""
_MEASURES = (("cvar", "cvar"), ("least_regret", "regret"))

Held = dict[tuple[str, str], tuple[str, IntArray]]
"""(site, role) → the SKU it holds, and (months,) servers."""


def lease_rules(inputs: Inputs, beside_idr: dict[int, int] | None) -> Rules:
    """The rules that the launch plan states. `beside_idr`: what supporting lines cost in each year; None while they
    are not known, then without ceilings."""
    leasing = inputs.launch.leasing
    ceilings = {} if beside_idr is None else {c.year: c.ceiling_idr for c in leasing.ceilings}
    return Rules(
        earliest_order=leasing.earliest_order,
        ceilings_idr=ceilings,
        beside_idr=beside_idr or {},
        vendor_share={"*": leasing.vendor_share_max} if leasing.vendor_share_max < 1 else {},
        vat=inputs.vat,
    )


def rule_costs(all_of: Computed, call: Calls = direct) -> tuple[RuleCost, ...]:
    """For each rule that is set, what the same needs would cost without it."""
    leasing, rules = all_of.launch.leasing, all_of.rules
    asked = lease_needs(all_of.inputs, all_of.needs)
    book = offers(all_of.inputs, asked)
    without = []
    if rules.vendor_share:
        share = f"<= {leasing.vendor_share_max:.0%}"
        without.append(("vendor_share", share, replace(rules, vendor_share={})))
    if rules.earliest_order:
        without.append(("lead_time", f">= {rules.earliest_order}", replace(rules, earliest_order=None)))
    if rules.ceilings_idr:
        years = ", ".join(f"{year}" for year in sorted(rules.ceilings_idr))
        without.append(("ceilings", years, replace(rules, ceilings_idr={})))
    plan = all_of.leased.money.total_idr
    out = []
    for rule, value, freed in without:
        # The plan itself keeps fewer rules too, and is what counts where the search without one stops a little above.
        least = min(plan, call(cover, asked, book, freed, ALTERNATIVE).money.total_idr)
        out.append(RuleCost(rule=rule, value=value, without_idr=least, saving_idr=plan - least))
    return tuple(out)


def lease_risk(all_of: Computed, call: Calls = direct) -> LeaseRisk:
    """The plan and the ways that are best in the worst draws and in regret, all judged by all draws."""
    foresight = cost_by_draw(all_of)
    middle, probability = strata(foresight, EDGES)
    own = _held(all_of, all_of.leased)
    asked = lease_needs(all_of.inputs, all_of.needs)
    book = offers(all_of.inputs, asked)
    scenarios = _scenarios(all_of, asked, middle, probability, own)
    moving = offers(all_of.inputs, scenarios)
    price = shortage_prices(all_of)
    free = replace(all_of.rules, ceilings_idr={}, vendor_share={})
    ways: list[tuple[str, int, Held]] = [("plan", all_of.leased.money.total_idr, own)]
    for name, measure in _MEASURES:
        risk = Risk(price, measure, CVAR_LEVEL)  # type: ignore[arg-type]
        found: Hedge = call(hedge, scenarios, moving, free, risk, HEDGE_EFFORT)
        held = own | _held(all_of, found)
        try:
            leased = call(cover, *_as_needs(all_of, book, held), all_of.rules, ALTERNATIVE)
        except Infeasible:
            continue  # the rules leave this way no plan
        ways.append((name, leased.money.total_idr, held))
    lacks = _shorts(all_of, [held for _, _, held in ways], price)
    judged = {name: weighed(idr, short, CVAR_LEVEL) for (name, idr, _), short in zip(ways, lacks, strict=True)}
    known = np.min([foresight, *(w.total_idr for w in judged.values())], axis=0)
    choices = tuple(
        _choice(name, idr, held, judged[name], (judged[name].total_idr - known)[middle]) for name, idr, held in ways
    )
    return LeaseRisk(
        scenarios=len(middle),
        cvar_level=CVAR_LEVEL,
        shortage_idr_per_core_month=round(all_of.launch.leasing.shortage_idr_per_core_month),
        choices=choices,
        least_regret=min(choices, key=lambda c: c.regret_idr).id,
    )


def shortage_prices(all_of: Computed) -> dict[str, float]:
    """SKU → rupiah for a server that is short for a month: its cores at the plan's price of shortage."""
    return {s.id: s.cores * all_of.launch.leasing.shortage_idr_per_core_month for s in all_of.inputs.skus}


def _choice(name: str, idr: int, held: Held, found: Weighed, regret: Floats) -> LeaseChoice:
    return LeaseChoice(
        id=name,
        servers=int(sum(count[-1] for _, count in held.values())),
        lease_idr=idr,
        expected_idr=round(found.expected_idr),
        cvar_idr=round(found.cvar_idr),
        regret_idr=round(float(regret.max())),
        short_share=round(found.short_share, 4),
    )


def _scenarios(all_of: Computed, asked: Needs, draws: IntArray, probability: Floats, own: Held) -> Needs:
    """The needs of the draws chosen, in the roles that follow the load: servers of the plan's SKUs, nothing lost."""
    skus = {sku for (_, role), (sku, _) in own.items() if role in FOLLOWING}
    kept = [r for r, role in enumerate(asked.roles) if role in FOLLOWING]
    counts = {
        (role, sku): np.stack([alone_by_draw(all_of, site, role, sku, draws) for site in asked.sites], axis=1).astype(
            np.int64
        )
        for role, sku in asked.counts
        if role in FOLLOWING and sku in skus
    }
    return replace(
        asked,
        roles=tuple(asked.roles[r] for r in kept),
        amount=np.zeros((len(draws), len(asked.sites), len(kept), asked.months, 1)),
        spare=asked.spare[:, kept],
        minimum=asked.minimum[:, kept],
        probability=np.asarray(probability),
        counts=counts,
    )


def _held(all_of: Computed, found: LeaseCover | Hedge) -> Held:
    months = np.arange(all_of.launch.horizon.months)
    out: Held = {}
    for server in found.servers:
        sku, count = out.get((server.site, server.role), (server.sku, np.zeros(len(months), dtype=np.int64)))
        out[server.site, server.role] = sku, count + ((months >= server.start) & (months < server.end))
    return out


def _shorts(all_of: Computed, ways: Sequence[Held], price: dict[str, float]) -> list[list[Short]]:
    """For each way what its pools hold against what the draws ask; only pools that follow the load can lack."""
    asked: dict[tuple[str, str, str], Floats] = {}
    out: list[list[Short]] = []
    for held in ways:
        out.append([])
        for (site, role), (sku, count) in held.items():
            if role in FOLLOWING:
                if (site, role, sku) not in asked:
                    asked[site, role, sku] = servers_by_draw(all_of, site, role, sku)
                out[-1].append(Short(count, asked[site, role, sku], price[sku]))
    return out


def _as_needs(all_of: Computed, book: Offers, held: Held) -> tuple[Needs, Offers]:
    """Leases for exactly these servers: each pool is a role of its own, offered its own SKU alone."""
    pools = {f"{role} at {site}": sku for (site, role), (sku, _) in held.items()}
    needs = Needs.of_servers(
        all_of.launch.horizon.start, ("all",), tuple(pools), [[count for _, count in held.values()]]
    )
    names = {sku: frozenset(name for name, own in pools.items() if own == sku) for sku in pools.values()}
    return needs, tuple(replace(offer, roles=names[offer.sku]) for offer in book if offer.sku in names)
