"""What the lease model is asked: needs per site, role and month, offers of the vendors, and the rules.

Plain typed data, checked once. Money is in whole rupiah before tax, months count from `Needs.start`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from capacity.faults import BadInput, Fault
from capacity.leasing.vat import Vat, load_vat

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Needs:
    """What the fleet must carry.

    `amount[s, i, r, t, q]`: units of resource q that site i needs in role r in month t under scenario s, with nothing
    lost. `spare[i, r]`: k of N+k, servers that may be lost while `amount` still stands. `minimum[i, r, t]`: servers
    at least (a quorum), whatever the amount. `probability[s]` sums to one.

    `counts` replaces `amount` for roles whose load does not divide over servers, or whose size follows from queueing:
    (role, SKU) → (scenarios, sites, months) servers of that SKU that carry the load alone, nothing lost. A role is
    counted as soon as one of its SKUs is named; a SKU without an entry cannot serve it.
    """

    start: dt.date
    sites: tuple[str, ...]
    roles: tuple[str, ...]
    resources: tuple[str, ...]
    amount: FloatArray
    spare: IntArray
    minimum: IntArray
    probability: FloatArray = field(default_factory=lambda: np.ones(1))
    counts: Mapping[tuple[str, str], IntArray] = field(default_factory=dict)

    @property
    def counted_roles(self) -> frozenset[str]:
        """Roles whose need is given by server counts."""
        return frozenset(role for role, _ in self.counts)

    @property
    def months(self) -> int:
        """Length of the horizon."""
        return int(self.amount.shape[3])

    def month(self, index: int) -> dt.date:
        """First day of month `index`."""
        return month_after(self.start, index)

    @classmethod
    def of_servers(
        cls, start: dt.date, sites: tuple[str, ...], roles: tuple[str, ...], servers: npt.ArrayLike, spare: int = 0
    ) -> Needs:
        """Needs given as server counts (sites, roles, months): one resource `servers`, one unit a server."""
        counts = np.asarray(servers, dtype=np.float64)
        shape = counts.shape
        return cls(
            start,
            sites,
            roles,
            ("servers",),
            counts[None, ..., None],
            np.where(counts.max(axis=2) > 0, spare, 0).astype(np.int64),
            np.zeros(shape, dtype=np.int64),
        )


@dataclass(frozen=True)
class Offer:
    """One line of a price book: a SKU of a vendor for a term, at a price a server.

    `capacity`: resource → units a server carries. `lot_size`: an order (one SKU, vendor, term, site, role and month)
    is a multiple of it, the same for all terms of a SKU and vendor. `early_return_fee`: share of the rent of the
    months given back that stays due; None when the vendor takes nothing back early. `setup_idr` is due once when a
    server is new, not when its lease is renewed.
    """

    sku: str
    vendor: str
    months: int
    monthly_rent_idr: int
    setup_idr: int
    capacity: Mapping[str, float]
    roles: frozenset[str]
    sites: frozenset[str] | None = None
    lot_size: int = 1
    lead_time_days: int = 0
    notice_days: int = 30
    early_return_fee: float | None = None
    quotation: str | None = None


Offers = tuple[Offer, ...]


@dataclass(frozen=True)
class Rules:
    """What bounds the choice.

    `earliest_order`: no line starts before it plus the offer's lead time (None: no bound). `ceilings_idr`: calendar
    year → most that may be paid in it, with tax; `beside_idr`: what else is paid under that ceiling. `vendor_share`:
    vendor (or `*` for every vendor) → largest share of the whole commitment before tax. `mix`: how many (SKU, vendor)
    pairs one role at one site may hold over the horizon; with `one` a pool is homogeneous and its LP exact.
    `reuse_indexes`: a released name may serve a later server.
    """

    earliest_order: dt.date | None = None
    ceilings_idr: Mapping[int, int] = field(default_factory=dict)
    beside_idr: Mapping[int, int] = field(default_factory=dict)
    vendor_share: Mapping[str, float] = field(default_factory=dict)
    mix: Literal["one", "two", "any"] = "one"
    reuse_indexes: bool = False
    vat: Vat = field(default_factory=load_vat)


@dataclass(frozen=True)
class Effort:
    """How long the solver may look. `gap`: stop when the plan is proven this close to the optimum."""

    gap: float = 0.005
    seconds: float = 10.0


def month_after(start: dt.date, months: int) -> dt.date:
    """The first day of the month `months` after that of `start`."""
    total = start.year * 12 + start.month - 1 + months
    return dt.date(total // 12, total % 12 + 1, 1)


def first_month(needs: Needs, offer: Offer, rules: Rules) -> int:
    """The first month in which a line of `offer` can start: its first day is no earlier than order + lead time."""
    if rules.earliest_order is None:
        return 0
    ready = rules.earliest_order + dt.timedelta(days=offer.lead_time_days)
    whole = (ready.year - needs.start.year) * 12 + ready.month - needs.start.month
    return max(0, whole + (ready.day > 1))


def check(needs: Needs, offers: Offers, rules: Rules) -> None:
    """Raises BadInput with one fault for each thing wrong in the problem as stated."""
    faults: list[Fault] = []

    def fault(path: str, value: Any, problem: str, remedy: str) -> None:
        faults.append(Fault("lease problem", path, str(value), problem, remedy))

    _check_needs(needs, fault)
    _check_offers(offers, needs, fault)
    for year, ceiling in rules.ceilings_idr.items():
        if ceiling < 0:
            fault(f"rules.ceilings_idr.{year}", ceiling, "is negative", "State the ceiling in rupiah.")
    for vendor, share in rules.vendor_share.items():
        if not 0 < share <= 1:
            fault(f"rules.vendor_share.{vendor}", share, "is no share", "Use a number above 0 and up to 1.")
        if vendor != "*" and vendor not in {offer.vendor for offer in offers}:
            fault(f"rules.vendor_share.{vendor}", vendor, "no offer is of this vendor", "Correct the vendor's name.")
    if faults:
        raise BadInput(faults)


def _check_needs(needs: Needs, fault: Any) -> None:
    shape = (len(needs.probability), len(needs.sites), len(needs.roles), needs.months, len(needs.resources))
    if needs.amount.shape != shape:
        fault("needs.amount", needs.amount.shape, f"shape should be {shape}", "Give scenarios, sites, roles, months.")
    if needs.spare.shape != shape[1:3] or needs.minimum.shape != shape[1:4]:
        fault("needs.spare, needs.minimum", "", "shape does not match the needs", f"Use {shape[1:3]} and {shape[1:4]}.")
    if needs.start.day != 1:
        fault("needs.start", needs.start, "is not the first day of a month", "Start the horizon on a first day.")
    if not np.all(np.isfinite(needs.amount)) or needs.amount.min(initial=0) < 0:
        fault("needs.amount", "", "holds a negative or infinite need", "Correct the need.")
    if needs.spare.min(initial=0) < 0 or needs.minimum.min(initial=0) < 0:
        fault("needs.spare, needs.minimum", "", "holds a negative count", "Correct the count.")
    for (role, sku), counts in needs.counts.items():
        where = f"needs.counts.{role}.{sku}"
        if role not in needs.roles:
            fault(where, role, "is no role of the needs", f"Use {', '.join(needs.roles)}.")
        if counts.shape != (shape[0], shape[1], shape[3]) or counts.min(initial=0) < 0:
            fault(where, counts.shape, "is no table of scenarios, sites, months", "Give counts of 0 or more.")
    if abs(float(needs.probability.sum()) - 1) > 1e-9 or needs.probability.min(initial=0) < 0:
        fault("needs.probability", needs.probability, "is no distribution", "Make the probabilities sum to 1.")


def _check_offers(offers: Offers, needs: Needs, fault: Any) -> None:
    seen: dict[tuple[str, str, int], int] = {}
    pairs: dict[tuple[str, str], Offer] = {}
    for n, offer in enumerate(offers):
        where = f"offers[{n}] {offer.sku}/{offer.vendor}/{offer.months}"
        key = (offer.sku, offer.vendor, offer.months)
        if key in seen:
            fault(where, "", f"same SKU, vendor and term as offers[{seen[key]}]", "Keep one of them.")
        seen[key] = n
        if offer.months < 1 or offer.lot_size < 1 or offer.lead_time_days < 0:
            fault(where, "", "term, lot size or lead time is out of range", "Use 1 or more (lead time: 0 or more).")
        if offer.monthly_rent_idr < 0 or offer.setup_idr < 0:
            fault(where, "", "a price is negative", "Correct the price.")
        if offer.early_return_fee is not None and not 0 <= offer.early_return_fee <= 1:
            fault(where, offer.early_return_fee, "early return fee is no share", "Use a number from 0 to 1.")
        if min(offer.capacity.values(), default=0) < 0:
            fault(where, dict(offer.capacity), "a capacity is negative", "Correct the capacity.")
        if unknown := sorted(offer.roles - set(needs.roles)):
            fault(where, unknown, "is offered for roles that have no needs", f"Use {', '.join(needs.roles)}.")
        twin = pairs.setdefault((offer.sku, offer.vendor), offer)
        if _terms_share(twin) != _terms_share(offer):
            problem = "capacity, roles, sites, lot size or setup differ between the terms of one SKU and vendor"
            fault(where, "", problem, "Make them the same.")


def _terms_share(offer: Offer) -> tuple[Any, ...]:
    return dict(offer.capacity), offer.roles, offer.sites, offer.lot_size, offer.setup_idr
