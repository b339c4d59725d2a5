"""Lease cover: the cheapest contract lines that carry the needs of every month, with a proven gap.

    plan = cover(Needs(...), offers, Rules(...))

`Needs`, `Offer`, `Rules` state the problem; `LeaseCover` answers it. The mathematics: docs/model/leasing.md.
"""

from capacity.leasing.cover import cover
from capacity.leasing.plan import LeaseCover, Line, Money, Server, ShadowPrices, YearCost
from capacity.leasing.problem import Effort, Needs, Offer, Offers, Rules
from capacity.leasing.vat import Vat, VatRate, load_vat

__all__ = [
    "Effort",
    "LeaseCover",
    "Line",
    "Money",
    "Needs",
    "Offer",
    "Offers",
    "Rules",
    "Server",
    "ShadowPrices",
    "Vat",
    "VatRate",
    "YearCost",
    "cover",
    "load_vat",
]
