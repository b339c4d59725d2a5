"""Every order that could be placed, as arrays: offer x start month x months kept, with what it costs in each year.

An order is one server for one stretch of months. Formula (1) of docs/model/leasing.md: its cost is the rent of the
months kept, plus the early return fee on the months given back, each with the tax in force in the month it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.leasing.problem import FloatArray, IntArray, Needs, Offers, Rules, first_month

Model = tuple[str, str]


@dataclass(frozen=True)
class Orders:
    """`n` possible orders. `cost` and `base`: (n, years) rupiah a server, with and without tax."""

    offer: IntArray
    start: IntArray
    stay: IntArray
    lot: IntArray
    model: IntArray
    cost: FloatArray
    base: FloatArray

    def __len__(self) -> int:
        return len(self.offer)


@dataclass(frozen=True)
class Catalogue:
    """The price book against the horizon: models, years, orders, and setup cost by model and month.

    `models`: distinct (SKU, vendor), sorted. `capacity[m, q]`: units of resource q a server of model m carries.
    `fits[i, r, m]`: whether model m is offered for role r at site i. `setup[m, t]` and `setup_base[m, t]`: rupiah for
    a new server in month t. `year_of[t]`: index into `years`.
    """

    models: tuple[Model, ...]
    years: tuple[int, ...]
    year_of: IntArray
    orders: Orders
    capacity: FloatArray
    fits: np.typing.NDArray[np.bool_]
    setup: FloatArray
    setup_base: FloatArray


def catalogue(needs: Needs, offers: Offers, rules: Rules) -> Catalogue:
    """The price book as arrays. Orders that cannot start in time (lead time) are left out."""
    models = tuple(sorted({(offer.sku, offer.vendor) for offer in offers}))
    months = needs.months + max((offer.months for offer in offers), default=1)
    dates = [needs.month(t) for t in range(months)]
    years = tuple(sorted({day.year for day in dates}))
    year_of = np.array([years.index(day.year) for day in dates], dtype=np.int64)
    tax = np.array([1 + float(rules.vat.at(day).rate) for day in dates])

    capacity = np.zeros((len(models), len(needs.resources)))
    fits = np.zeros((len(needs.sites), len(needs.roles), len(models)), dtype=bool)
    setup_idr = np.zeros(len(models))
    for offer in offers:
        m = models.index((offer.sku, offer.vendor))
        capacity[m] = [offer.capacity.get(resource, 0.0) for resource in needs.resources]
        setup_idr[m] = offer.setup_idr
        sites = [offer.sites is None or site in offer.sites for site in needs.sites]
        fits[:, :, m] = np.outer(sites, [role in offer.roles for role in needs.roles])

    return Catalogue(
        models=models,
        years=years,
        year_of=year_of,
        orders=_orders(needs, offers, rules, models, len(years), year_of, tax),
        capacity=capacity,
        fits=fits,
        setup=np.outer(setup_idr, tax[: needs.months]),
        setup_base=np.outer(setup_idr, np.ones(needs.months)),
    )


def _orders(
    needs: Needs,
    offers: Offers,
    rules: Rules,
    models: tuple[Model, ...],
    years: int,
    year_of: IntArray,
    tax: FloatArray,
) -> Orders:
    rows: list[tuple[int, int, int, int, int]] = []
    for o, offer in enumerate(offers):
        m = models.index((offer.sku, offer.vendor))
        shortest = offer.months if offer.early_return_fee is None else 1
        rows += [
            (o, t, stay, offer.lot_size, m)
            for t in range(first_month(needs, offer, rules), needs.months)
            for stay in range(shortest, offer.months + 1)
            if stay == offer.months or t + stay <= needs.months
        ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    offer_of, start, stay = table[:, 0], table[:, 1], table[:, 2]
    rent = np.array([offer.monthly_rent_idr for offer in offers], dtype=np.float64)[offer_of]
    fee = np.array([offer.early_return_fee or 0.0 for offer in offers])[offer_of]
    term = np.array([offer.months for offer in offers], dtype=np.int64)[offer_of]

    month = np.arange(len(tax))
    paid = ((month >= start[:, None]) & (month < (start + stay)[:, None])) * rent[:, None]
    paid[np.arange(len(start)), start + stay - 1] += np.round(fee * rent * (term - stay))
    by_year = np.zeros((len(tax), years))
    by_year[month, year_of] = 1.0
    return Orders(offer_of, start, stay, table[:, 3], table[:, 4], (paid * tax) @ by_year, paid @ by_year)
