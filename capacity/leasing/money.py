"""What a set of lease lines costs, month by month and year by year, in whole rupiah; and quantiles of cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from capacity.leasing.plan import Line, Money, YearCost
from capacity.leasing.problem import Needs
from capacity.leasing.vat import Vat


def money(lines: Iterable[Line], needs: Needs, vat: Vat, ceilings_idr: Mapping[int, int]) -> Money:
    """Payments of `lines`: rent monthly, setup in the first month, the early return fee in the last month kept.

    Tax is due on each month's total at the rate in force on the month's first day, to the whole rupiah.
    """
    lines = tuple(lines)
    length = max([needs.months, *(line.end for line in lines)])
    rent, setup, back = [0] * length, [0] * length, [0] * length
    for line in lines:
        for t in range(line.start, line.end):
            rent[t] += line.quantity * line.monthly_rent_idr
        setup[line.start] += line.quantity * line.setup_idr
        back[line.end - 1] += line.quantity * line.early_return_idr
    before = [sum(parts) for parts in zip(rent, setup, back, strict=True)]
    dates = [needs.month(t) for t in range(length)]
    tax = [vat.tax_idr(amount, day) for amount, day in zip(before, dates, strict=True)]
    years = []
    for year in sorted({day.year for day in dates}):
        inside = [t for t, day in enumerate(dates) if day.year == year]
        r, s, b, v = (sum(series[t] for t in inside) for series in (rent, setup, back, tax))
        if r + s + b + v or year in ceilings_idr:
            years.append(YearCost(year, r, s, b, v, r + s + b + v, ceilings_idr.get(year)))
    total, vat_total = sum(before), sum(tax)
    return Money(tuple(before), tuple(tax), tuple(years), total, vat_total, total + vat_total)


def quantiles_idr(totals: npt.ArrayLike, levels: tuple[float, ...] = (0.5, 0.8, 0.95)) -> tuple[int, ...]:
    """Cost that is not exceeded with probability 50, 80 and 95 %: the smallest total with that share at or below it.

    The inverse of the empirical distribution (definition 1 of Hyndman & Fan 1996): each is a cost that occurred.
    """
    values = np.asarray(totals, dtype=np.float64)
    return tuple(round(float(q)) for q in np.quantile(values, levels, method="inverted_cdf"))
