"""The rules that couple pools, as rows over whole plans: fiscal-year ceilings and vendor shares.

Row n of a plan: `use(plan)[n] <= limit[n]`, in million rupiah (docs/model/leasing.md, (L11) and (L12)). A multiplier
for each row turns the rules into prices, under which every pool can be planned alone (Lagrangian relaxation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capacity.leasing.integer import PoolPlan
from capacity.leasing.lifetimes import MILLION, Lifetimes, Prices
from capacity.leasing.orders import Catalogue
from capacity.leasing.problem import FloatArray, Rules

CEILING_PENALTY = 20.0
"""Largest multiplier of a ceiling: what a rupiah above it costs while multipliers are sought."""
BROKEN = 1e4
"""What a million rupiah beyond a rule counts when whole plans are chosen: keeping the rules comes first."""
PADDING_LIMIT = 0.9
"""Vendor multipliers stay below the point where leasing idle servers of other vendors would seem to pay."""


@dataclass(frozen=True)
class Coupling:
    """`years[n]`: index of the capped year or -1; `vendors[n]`: index of the limited vendor or -1, with `share[n]`."""

    book: Catalogue
    years: tuple[int, ...]
    vendors: tuple[int, ...]
    share: FloatArray
    limit: FloatArray
    penalty: FloatArray

    def __len__(self) -> int:
        return len(self.limit)

    def use(self, plan: PoolPlan) -> FloatArray:
        """What one pool's plan takes of each row."""
        return np.array(
            [
                plan.paid[year] if year >= 0 else plan.base[vendor] - share * plan.base.sum()
                for year, vendor, share in zip(self.years, self.vendors, self.share, strict=True)
            ]
        )

    def columns(self, columns: Lifetimes) -> FloatArray:
        """(rows, columns): what one lot of each lifetime takes of each row."""
        vendor_of = self.book.vendor_of[columns.model]
        rows = [
            columns.paid[:, year] if year >= 0 else columns.base * ((vendor_of == vendor) - share)
            for year, vendor, share in zip(self.years, self.vendors, self.share, strict=True)
        ]
        return np.array(rows).reshape(len(self), len(columns))

    def prices(self, multiplier: FloatArray) -> tuple[Prices, FloatArray]:
        """The prices that non-negative multipliers stand for, and the multipliers as used (capped)."""
        multiplier = np.clip(multiplier, 0.0, self.penalty)
        vendor_rows = np.array(self.vendors) >= 0
        padding = float(multiplier[vendor_rows] @ self.share[vendor_rows])
        if padding > PADDING_LIMIT:
            multiplier = np.where(vendor_rows, multiplier * (PADDING_LIMIT / padding), multiplier)
        year, surcharge = np.ones(len(self.book.years)), np.zeros(len(self.book.vendors))
        for y, vendor, share, price in zip(self.years, self.vendors, self.share, multiplier, strict=True):
            if y >= 0:
                year[y] += price
            else:
                surcharge += price * ((np.arange(len(surcharge)) == vendor) - share)
        return Prices(year, surcharge), multiplier


def coupling(book: Catalogue, rules: Rules) -> Coupling:
    """The rows that `rules` give."""
    years: list[int] = []
    vendors: list[int] = []
    share: list[float] = []
    limit: list[float] = []
    for year, ceiling in sorted(rules.ceilings_idr.items()):
        if year in book.years:
            years.append(book.years.index(year))
            vendors.append(-1)
            share.append(0.0)
            limit.append((ceiling - rules.beside_idr.get(year, 0)) / MILLION)
    for v, vendor in enumerate(book.vendors):
        bound = rules.vendor_share.get(vendor, rules.vendor_share.get("*", 1.0))
        if bound < 1.0:
            years.append(-1)
            vendors.append(v)
            share.append(bound)
            limit.append(0.0)
    shares = np.array(share)
    penalty = np.where(np.array(years) >= 0, CEILING_PENALTY, PADDING_LIMIT / np.where(shares > 0, shares, 1.0))
    return Coupling(book, tuple(years), tuple(vendors), shares, np.array(limit), penalty)
