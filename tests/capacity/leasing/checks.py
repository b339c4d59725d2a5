"""What every lease plan must satisfy, recomputed from its lines alone."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from capacity.leasing import LeaseCover, Needs, Offer, Rules


def assert_sound(plan: LeaseCover, needs: Needs, offers: Sequence[Offer], rules: Rules) -> None:
    """Coverage with the spare lost, lots, lead times, renewals, names and money of `plan`."""
    by_key = {(o.sku, o.vendor, o.months): o for o in offers}
    lines = {line.id: line for line in plan.lines}
    assert len(lines) == len(plan.lines), "line ids are unique"
    names = [server.name for server in plan.servers]
    if not rules.reuse_indexes:
        assert len(set(names)) == len(names), "a name is given once"
    orders: Counter[tuple[str, ...]] = Counter()
    for line in plan.lines:
        offer = by_key[line.sku, line.vendor, line.term]
        assert line.quantity == len(line.servers) > 0
        assert line.months == line.term or offer.early_return_fee is not None
        assert line.monthly_rent_idr == offer.monthly_rent_idr
        assert line.setup_idr == (0 if line.renews else offer.setup_idr)
        if rules.earliest_order and not line.renews:
            ready = rules.earliest_order + dt.timedelta(days=offer.lead_time_days)
            assert needs.month(line.start) >= ready
        if line.renews:
            before = lines[line.renews]
            assert before.end == line.start
            assert set(line.servers) <= set(before.servers)
            assert (before.sku, before.vendor, before.site, before.role) == (
                line.sku,
                line.vendor,
                line.site,
                line.role,
            )
        orders[line.site, line.role, line.sku, line.vendor, str(line.start), str(line.term), str(line.months)] += (
            line.quantity
        )
    for key, quantity in orders.items():
        assert quantity % by_key[key[2], key[3], int(key[5])].lot_size == 0, "orders come in lots"
    for server in plan.servers:
        held = [lines[i] for i in server.lines]
        assert held[0].start == server.start
        assert held[-1].end == server.end
        assert all(a.end == b.start for a, b in pairwise(held))
        assert all(server.name in line.servers for line in held)
    _assert_covered(plan, needs, offers)
    _assert_money(plan, needs, rules)


def _assert_covered(plan: LeaseCover, needs: Needs, offers: Sequence[Offer]) -> None:
    capacity = {o.sku: o.capacity for o in offers}
    for i, site in enumerate(needs.sites):
        for r, role in enumerate(needs.roles):
            for t in range(needs.months):
                active = [s for s in plan.servers if (s.site, s.role) == (site, role) and s.start <= t < s.end]
                assert len(active) >= needs.minimum[i, r, t]
                assert len(active) == plan.active[i, r, :, t].sum()
                amount, k = needs.amount[:, i, r, t].max(axis=0), int(needs.spare[i, r])
                if not amount.any():
                    continue
                for q, name in enumerate(needs.resources):
                    held = sorted((capacity[s.sku].get(name, 0.0) for s in active), reverse=True)
                    assert len(held) >= k
                    assert sum(held[k:]) >= amount[q] - 1e-6


def _assert_money(plan: LeaseCover, needs: Needs, rules: Rules) -> None:
    months: dict[int, int] = defaultdict(int)
    for line in plan.lines:
        for t in range(line.start, line.end):
            months[t] += line.quantity * line.monthly_rent_idr
        months[line.start] += line.quantity * line.setup_idr
        months[line.end - 1] += line.quantity * line.early_return_idr
    assert plan.money.total_before_vat_idr == sum(months.values())
    tax = sum(rules.vat.tax_idr(amount, needs.month(t)) for t, amount in months.items())
    assert plan.money.vat_idr == tax
    assert plan.money.total_idr == sum(year.total_idr for year in plan.money.years)
    assert plan.money.total_idr == plan.money.total_before_vat_idr + tax
    for year in plan.money.years:
        if year.ceiling_idr is not None:
            assert year.total_idr <= year.ceiling_idr + 100, "to the rounding of monthly tax"
    assert 0 <= plan.gap <= 1
    assert plan.lp_bound_idr <= plan.bound_idr + 1 <= plan.money.total_idr + 2
    if plan.lp_rounded_idr is not None:
        assert plan.money.total_idr <= plan.lp_rounded_idr + 100
    assert isinstance(plan.money.total_idr, int)
    assert np.all(plan.active >= 0)
