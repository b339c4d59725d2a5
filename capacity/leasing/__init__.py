"""Lease cover: the cheapest contract lines that carry the needs of every month, with a proven gap.

    plan = cover(Needs(...), offers, Rules(...))

`Needs`, `Offer`, `Rules` state the problem; `LeaseCover` answers it. `hedge` weighs leases against shortage over
scenarios, `cost_quantiles` says what the draws of demand would cost. The mathematics: docs/model/leasing.md.
"""

from capacity.leasing.cover import cover
from capacity.leasing.hedge import Hedge, hedge
from capacity.leasing.money import quantiles_idr
from capacity.leasing.plan import LeaseCover, Line, Money, Server, ShadowPrices, YearCost
from capacity.leasing.problem import Effort, Needs, Offer, Offers, Rules
from capacity.leasing.quantiles import CostQuantiles, cost_quantiles
from capacity.leasing.vat import Vat, VatRate, load_vat
from capacity.leasing.weighing import Risk

__all__ = [
    "CostQuantiles",
    "Effort",
    "Hedge",
    "LeaseCover",
    "Line",
    "Money",
    "Needs",
    "Offer",
    "Offers",
    "Risk",
    "Rules",
    "Server",
    "ShadowPrices",
    "Vat",
    "VatRate",
    "YearCost",
    "cost_quantiles",
    "cover",
    "hedge",
    "load_vat",
    "quantiles_idr",
]
