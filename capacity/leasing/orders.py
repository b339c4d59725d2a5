"""Every order that could be placed, as arrays: offer x start month x months kept, with what it costs in each year.

An order is one server for one stretch of months. Formula (L1) of docs/model/leasing.md: its cost is the rent of the
months kept, plus the early return fee on the months given back, each with the tax in force in the month it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capacity.leasing.problem import FloatArray, IntArray, Needs, Offers, Rules, first_month

Model = tuple[str, str]


@dataclass(frozen=True)
class Orders:
    """`n` possible orders. `paid` and `base`: (n, years) rupiah a server, with and without tax."""

    offer: IntArray
    start: IntArray
    stay: IntArray
    model: IntArray
    paid: FloatArray
    base: FloatArray


@dataclass(frozen=True)
class Catalogue:
    """The price book against the horizon: models, years, orders, and setup cost by model and month.

    `models`: distinct (SKU, vendor), sorted. `capacity[m, q]`: units of resource q a server of model m carries.
    `lot[m]`: orders are multiples of it. `fits[i, r, m]`: whether model m is offered for role r at site i.
    `setup[m, t]` and `setup_base[m]`: rupiah for a new server in month t, with and without tax. `year_of[t]`: index
    into `years`. `first[m]`: the first month in which a lease of model m can start.
    """

    months: int
    models: tuple[Model, ...]
    vendors: tuple[str, ...]
    vendor_of: IntArray
    years: tuple[int, ...]
    year_of: IntArray
    orders: Orders
    capacity: FloatArray
    lot: IntArray
    fits: npt.NDArray[np.bool_]
    setup: FloatArray
    setup_base: FloatArray
    first: IntArray


def catalogue(needs: Needs, offers: Offers, rules: Rules) -> Catalogue:
    """The price book as arrays. Orders that cannot start in time (lead time) are left out."""
    models = tuple(sorted({(offer.sku, offer.vendor) for offer in offers}))
    vendors = tuple(sorted({vendor for _, vendor in models}))
    months = needs.months + max((offer.months for offer in offers), default=1)
    dates = [needs.month(t) for t in range(months)]
    years = tuple(sorted({day.year for day in dates}))
    year_of = np.array([years.index(day.year) for day in dates], dtype=np.int64)
    tax = np.array([1 + float(rules.vat.at(day).rate) for day in dates])

    capacity = np.zeros((len(models), len(needs.resources)))
    fits = np.zeros((len(needs.sites), len(needs.roles), len(models)), dtype=bool)
    setup_base, lot = np.zeros(len(models)), np.ones(len(models), dtype=np.int64)
    first = np.full(len(models), needs.months, dtype=np.int64)
    for offer in offers:
        m = models.index((offer.sku, offer.vendor))
        capacity[m] = [offer.capacity.get(resource, 0.0) for resource in needs.resources]
        setup_base[m], lot[m] = offer.setup_idr, offer.lot_size
        first[m] = min(first[m], first_month(needs, offer, rules))
        sites = [offer.sites is None or site in offer.sites for site in needs.sites]
        fits[:, :, m] = np.outer(sites, [role in offer.roles for role in needs.roles])

    return Catalogue(
        months=needs.months,
        models=models,
        vendors=vendors,
        vendor_of=np.array([vendors.index(vendor) for _, vendor in models], dtype=np.int64),
        years=years,
        year_of=year_of,
        orders=_orders(needs, offers, rules, models, year_of, tax),
        capacity=capacity,
        lot=lot,
        fits=fits,
        setup=np.outer(setup_base, tax[: needs.months]),
        setup_base=setup_base,
        first=first,
    )


def _orders(
    needs: Needs, offers: Offers, rules: Rules, models: tuple[Model, ...], year_of: IntArray, tax: FloatArray
) -> Orders:
    rows: list[tuple[int, int, int, int]] = []
    for o, offer in enumerate(offers):
        m = models.index((offer.sku, offer.vendor))
        shortest = offer.months if offer.early_return_fee is None else 1
        rows += [
            (o, t, stay, m)
            for t in range(first_month(needs, offer, rules), needs.months)
            for stay in range(shortest, offer.months + 1)
            if stay == offer.months or t + stay <= needs.months
        ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    offer_of, start, stay = table[:, 0], table[:, 1], table[:, 2]
    rent = np.array([offer.monthly_rent_idr for offer in offers], dtype=np.float64)[offer_of]
    fee = np.array([offer.early_return_fee or 0.0 for offer in offers])[offer_of]
    term = np.array([offer.months for offer in offers], dtype=np.int64)[offer_of]

    month = np.arange(len(tax))
    due = ((month >= start[:, None]) & (month < (start + stay)[:, None])) * rent[:, None]
    due[np.arange(len(start)), start + stay - 1] += np.round(fee * rent * (term - stay))
    by_year = np.zeros((len(tax), int(year_of.max(initial=0)) + 1))
    by_year[month, year_of] = 1.0
    return Orders(offer_of, start, stay, table[:, 3], (due * tax) @ by_year, due @ by_year)
