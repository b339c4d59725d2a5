"""What the lease model answers: lease lines, named servers, cost, bound, gap and shadow prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from capacity.leasing.problem import FloatArray, IntArray


@dataclass(frozen=True)
class Line:
    """One contract line. `start` is a month index, `months` the months kept, `term` the months contracted
    (they differ only when servers go back early, against `early_return_idr` a server).

    `order_by`: last day to order, by the vendor's lead time (a renewal: the last day of notice of what it renews).
    `notice_by`: last day to give or renew notice before the line ends. `setup_idr` is 0 in a renewal.
    """

    id: str
    sku: str
    vendor: str
    role: str
    site: str
    quantity: int
    start: int
    months: int
    term: int
    monthly_rent_idr: int
    setup_idr: int
    early_return_idr: int
    renews: str | None
    quotation: str | None
    order_by: dt.date
    notice_by: dt.date
    servers: tuple[str, ...]

    @property
    def end(self) -> int:
        """First month after the line."""
        return self.start + self.months


@dataclass(frozen=True)
class Server:
    """One leased server from its first line to the end of its last; the name stays through renewals."""

    name: str
    site: str
    role: str
    index: int
    sku: str
    vendor: str
    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class YearCost:
    """What is paid in one fiscal (calendar) year, in rupiah."""

    year: int
    rent_idr: int
    setup_idr: int
    early_return_idr: int
    vat_idr: int
    total_idr: int
    ceiling_idr: int | None


@dataclass(frozen=True)
class Money:
    """Payments by month and by fiscal year. Months count from the horizon's start and run on to the last payment."""

    month_before_vat_idr: tuple[int, ...]
    month_vat_idr: tuple[int, ...]
    years: tuple[YearCost, ...]
    total_before_vat_idr: int
    vat_idr: int
    total_idr: int


@dataclass(frozen=True)
class ShadowPrices:
    """What one more unit would cost or save, from the linear relaxation at the best multipliers.

    `need[i, r, t]`: rupiah with tax for one per cent more need in that pool and month. `ceiling`: year → rupiah saved
    for each rupiah more. `vendor`: vendor → rupiah saved for each percentage point more. Zero where nothing binds.
    """

    need: FloatArray
    ceiling: Mapping[int, float]
    vendor: Mapping[str, float]


@dataclass(frozen=True)
class LeaseCover:
    """A lease plan with its proof.

    `active[i, r, m, t]`: servers of model m (`models[m]` = SKU and vendor) at site i in role r in month t.
    `lp_bound_idr`: optimum of the LP relaxation; `bound_idr`: the best proven lower bound; `gap` =
    (total - bound) / total. `lp_rounded_idr`: cost of the plan that rounding the LP gives (None when it breaks a
    rule); the plan is never dearer. `method` says in words how it was found.
    """

    lines: tuple[Line, ...]
    servers: tuple[Server, ...]
    models: tuple[tuple[str, str], ...]
    active: IntArray
    money: Money
    lp_bound_idr: float
    bound_idr: float
    gap: float
    lp_rounded_idr: int | None
    shadow: ShadowPrices
    method: str
