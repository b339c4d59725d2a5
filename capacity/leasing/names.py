"""From orders to contract lines and named servers.

Servers that leave one order and enter another in the same month are the same machines, renewed. Which of them go back
is chosen so that low indexes stay: a returning server is the one with the highest index, and the longest order goes
to the lowest. This colours the intervals (server lifetimes) lowest index first, so that more needs add names and
change none. A name is given once; with `reuse` a released index may serve a later server.
"""

from __future__ import annotations

import datetime as dt
import heapq
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from capacity.leasing.orders import Catalogue
from capacity.leasing.plan import Line, Server
from capacity.leasing.problem import Needs, Offers

Placed = Mapping[tuple[int, int, int], int]
"""(site, role, order) → servers, in counts above zero."""


@dataclass
class _Holding:
    """A server while it is being traced through its orders."""

    index: int
    model: int
    start: int
    end: int = 0
    orders: list[int] = field(default_factory=list)


def name_lines(
    needs: Needs, offers: Offers, book: Catalogue, placed: Placed, reuse: bool
) -> tuple[tuple[Line, ...], tuple[Server, ...]]:
    """All lines and servers of a plan, site by site and role by role, in time order."""
    lines: list[Line] = []
    servers: list[Server] = []
    by_group: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for (i, r, order), count in placed.items():
        by_group[i, r][order] = count
    for i, r in sorted(by_group):
        holdings = _trace(book, by_group[i, r], reuse)
        more_lines, more_servers = _write(needs.sites[i], needs.roles[r], needs, offers, book, holdings)
        lines += more_lines
        servers += more_servers
    return tuple(lines), tuple(servers)


def _trace(book: Catalogue, counts: Mapping[int, int], reuse: bool) -> list[_Holding]:
    """Follow each server of one group through its orders."""
    orders = book.orders
    done: list[_Holding] = []
    current: list[_Holding] = []
    free: list[int] = []
    used = 0
    for month in sorted({int(orders.start[order]) for order in counts}):
        leaving = [h for h in current if h.end <= month]
        current = [h for h in current if h.end > month]
        starting = sorted(
            (order for order in counts if orders.start[order] == month),
            key=lambda order: (int(orders.model[order]), -int(orders.stay[order]), order),
        )
        fresh: list[int] = []
        for order in starting:
            wanted = counts[order]
            renewed = sorted(
                (h for h in leaving if h.model == orders.model[order] and h.end == month), key=lambda h: h.index
            )[:wanted]
            for holding in renewed:
                leaving.remove(holding)
                holding.orders.append(order)
                holding.end = month + int(orders.stay[order])
            current += renewed
            fresh += [order] * (wanted - len(renewed))
        done += leaving
        if reuse:
            for holding in leaving:
                heapq.heappush(free, holding.index)
        for order in fresh:
            if free:
                index = heapq.heappop(free)
            else:
                used += 1
                index = used
            end = month + int(orders.stay[order])
            current.append(_Holding(index, int(orders.model[order]), month, end, [order]))
    return sorted([*done, *current], key=lambda h: (h.index, h.start))


def _write(
    site: str, role: str, needs: Needs, offers: Offers, book: Catalogue, holdings: list[_Holding]
) -> tuple[list[Line], list[Server]]:
    names = {id(h): f"{site}-{role}-{h.index:02d}" for h in holdings}
    members: dict[tuple[int, tuple[int, ...]], list[_Holding]] = defaultdict(list)
    for holding in holdings:
        for n, order in enumerate(holding.orders):
            members[order, tuple(holding.orders[:n])].append(holding)
    keys = sorted(members, key=lambda k: (int(book.orders.start[k[0]]), members[k][0].index, k[0]))
    ids: dict[tuple[int, tuple[int, ...]], str] = {}
    taken: dict[str, int] = defaultdict(int)
    for key in keys:
        offer = offers[int(book.orders.offer[key[0]])]
        start = needs.month(int(book.orders.start[key[0]]))
        stem = f"{site}-{role}-{_slug(offer.sku)}-{_slug(offer.vendor)}-{start:%Y%m}-{offer.months}m"
        taken[stem] += 1
        ids[key] = stem if taken[stem] == 1 else f"{stem}-{taken[stem]}"
    lines = [_line(site, role, needs, offers, book, key, ids, [names[id(h)] for h in members[key]]) for key in keys]
    servers = []
    for holding in holdings:
        held = holding.orders
        sku, vendor = book.models[holding.model]
        servers.append(
            Server(
                names[id(holding)],
                site,
                role,
                holding.index,
                sku,
                vendor,
                holding.start,
                holding.end,
                tuple(ids[order, tuple(held[:n])] for n, order in enumerate(held)),
            )
        )
    return lines, servers


def _line(
    site: str,
    role: str,
    needs: Needs,
    offers: Offers,
    book: Catalogue,
    key: tuple[int, tuple[int, ...]],
    ids: Mapping[tuple[int, tuple[int, ...]], str],
    servers: list[str],
) -> Line:
    order, path = key
    offer = offers[int(book.orders.offer[order])]
    start, stay = int(book.orders.start[order]), int(book.orders.stay[order])
    before = offers[int(book.orders.offer[path[-1]])] if path else None
    ahead = before.notice_days if before else offer.lead_time_days
    return Line(
        id=ids[key],
        sku=offer.sku,
        vendor=offer.vendor,
        role=role,
        site=site,
        quantity=len(servers),
        start=start,
        months=stay,
        term=offer.months,
        monthly_rent_idr=offer.monthly_rent_idr,
        setup_idr=0 if path else offer.setup_idr,
        early_return_idr=early_return_idr(offer.early_return_fee, offer.monthly_rent_idr, offer.months - stay),
        renews=ids[path[-1], path[:-1]] if path else None,
        quotation=offer.quotation,
        order_by=needs.month(start) - dt.timedelta(days=ahead),
        notice_by=needs.month(start + stay) - dt.timedelta(days=offer.notice_days),
        servers=tuple(servers),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def early_return_idr(fee: float | None, monthly_rent_idr: int, months_given_back: int) -> int:
    """Fee for giving one server back early: a share of the rent of the months given back."""
    return round((fee or 0.0) * monthly_rent_idr * months_given_back)
