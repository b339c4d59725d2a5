"""Leases chosen before demand is known: cost weighed against shortage over scenarios, with a chosen attitude to risk.

Two stages (docs/model/leasing.md, (L17)–(L20)): leases first, then in each scenario every server short of what it asks
for (spare ones included) costs its price for each month. With one SKU a pool the shortage is convex and piecewise
linear in the servers held, with kinks at whole numbers, so that a pool's program stays totally unimodular for given
weights of the scenarios. The attitude to risk is a set of such weights: the worst weights of the set count.

- expected cost: the probabilities alone;
- CVaR (Rockafellar & Uryasev 2000): no scenario weighs more than its probability / (1 - level);
- least regret (Savage 1951): any weights, on the cost beyond what foresight would have paid.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from capacity.faults import BadInput, Fault
from capacity.leasing.chance import Chance, ChancePlan
from capacity.leasing.cover import placed_of
from capacity.leasing.lifetimes import MILLION, Prices, lifetimes
from capacity.leasing.money import money
from capacity.leasing.names import name_lines
from capacity.leasing.orders import catalogue
from capacity.leasing.plan import Line, Money, Server
from capacity.leasing.pool import pools
from capacity.leasing.problem import Effort, FloatArray, Needs, Offers, Rules, check
from capacity.leasing.refusal import refuse_uncovered
from capacity.leasing.solver import INFINITY
from capacity.leasing.weighing import Risk, measured, weigh, weigh_at_once


@dataclass(frozen=True)
class Hedge:
    """A lease plan against scenarios.

    `shortage_idr[s]`: what shortage costs in scenario s; `total_idr[s]`: leases and shortage. `foresight_idr[s]`: the
    least of that had s been known (only with least regret; else NaN). `value_idr`: the measure's value of this plan,
    `bound_idr`: proven lower bound, `gap`: their difference over the largest total.
    """

    lines: tuple[Line, ...]
    servers: tuple[Server, ...]
    money: Money
    shortage_idr: FloatArray
    total_idr: FloatArray
    foresight_idr: FloatArray
    value_idr: float
    bound_idr: float
    gap: float


def hedge(needs: Needs, offers: Offers, rules: Rules, risk: Risk, effort: Effort | None = None) -> Hedge:
    """Leases of one SKU a pool that are best for the scenarios of `needs` under `risk`.

    Raises BadInput (also when a SKU has no shortage price, or `rules` couple pools: ceilings and vendor shares belong
    to `cover`), Infeasible when no offer carries a pool.
    """
    effort = effort or Effort()
    check(needs, offers, rules)
    _check(offers, rules, risk)
    book = catalogue(needs, offers, rules)
    wanted = pools(needs, book, replace(rules, mix="one"))
    refuse_uncovered(needs, offers, rules, book, wanted)
    columns = lifetimes(book, Prices.plain(book))
    chances = [Chance.of(needs, book, risk.shortage_idr, pool, columns) for pool in wanted]
    scenarios = len(needs.probability)
    foresight = np.array(
        [sum(c.best(np.eye(scenarios)[s])[0] for c in chances) for s in range(scenarios)]
        if risk.measure == "regret"
        else [np.nan] * scenarios
    )
    base = foresight if risk.measure == "regret" else np.zeros(scenarios)
    plans, bound = _search(chances, needs.probability, risk, base, effort)
    short = sum((plan.short for plan in plans), np.zeros(scenarios))
    total = short + sum(plan.lease for plan in plans)
    placed = placed_of(book, ((pool, Counter(dict(plan.lots))) for pool, plan in zip(wanted, plans, strict=True)))
    lines, servers = name_lines(needs, offers, book, placed, rules.reuse_indexes)
    value = measured(total - base, needs.probability, risk)
    bound = min(bound, value)
    return Hedge(
        lines,
        servers,
        money(lines, needs, rules.vat, rules.ceilings_idr),
        short * MILLION,
        total * MILLION,
        foresight * MILLION,
        value * MILLION,
        bound * MILLION,
        (value - bound) / max(float(total.max(initial=0)), 1e-9),
    )


def _check(offers: Offers, rules: Rules, risk: Risk) -> None:
    faults = [
        Fault("lease problem", f"risk.shortage_idr.{sku}", "", "SKU has no price of shortage", "Add it.")
        for sku in sorted({o.sku for o in offers} - set(risk.shortage_idr))
    ]
    faults += [
        Fault("lease problem", f"risk.shortage_idr.{sku}", str(price), "a price is negative", "Correct it.")
        for sku, price in risk.shortage_idr.items()
        if price < 0
    ]
    if not 0 <= risk.level < 1:
        faults.append(Fault("lease problem", "risk.level", str(risk.level), "is no level", "Use 0 or more, below 1."))
    if rules.ceilings_idr or rules.vendor_share:
        remedy = "Hedge without them, then let `cover` keep them for the needs that the hedge chose."
        faults.append(Fault("lease problem", "rules", "", "ceilings and vendor shares cannot be hedged", remedy))
    if faults:
        raise BadInput(faults)


def _search(
    chances: list[Chance], probability: FloatArray, risk: Risk, base: FloatArray, effort: Effort
) -> tuple[list[ChancePlan], float]:
    """Plans of the pools and a proven bound: weights from a master over known plans, new plans under these weights."""
    deadline = time.monotonic() + effort.seconds
    known: list[list[ChancePlan]] = [[] for _ in chances]
    bound, weight = -INFINITY, probability
    chosen: list[ChancePlan] = []
    for _ in range(100):
        answers = [chance.best(weight) for chance in chances]
        bound = max(bound, sum(value for value, _ in answers) - float(weight @ base))
        before = sum(len(plans) for plans in known)
        for plans, (_, plan) in zip(known, answers, strict=True):
            if all(plan.lots != other.lots for other in plans):
                plans.append(plan)
        chosen, _ = weigh(known, probability, risk, base, whole=True)
        costs = sum((p.short + p.lease for p in chosen), np.zeros(len(probability))) - base
        value = measured(costs, probability, risk)
        scale = max(float((costs + base).max(initial=0)), 1e-9)
        done = value - bound <= effort.gap * scale or risk.measure == "expected"
        if done or sum(len(plans) for plans in known) == before or time.monotonic() > deadline:
            break
        _, weight = weigh(known, probability, risk, base, whole=False)
    costs = sum((p.short + p.lease for p in chosen), np.zeros(len(probability)))
    value = measured(costs - base, probability, risk)
    if value - bound > effort.gap * max(float(costs.max(initial=0)), 1e-9):
        plans, proven = weigh_at_once(chances, probability, risk, base, effort.gap, deadline - time.monotonic())
        bound = max(bound, proven)
        if plans:
            other = sum((p.short + p.lease for p in plans), np.zeros(len(probability))) - base
            if measured(other, probability, risk) < value:
                chosen = plans
    return chosen, bound
