"""What may be changed of a plan, as fields: each is named by its path in the plan, so that a fault finds its field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from capacity.inputs import Inputs

Kind = Literal["day", "count", "number", "percent", "rupiah", "phase", "months", "rise"]
Group = Literal["starts", "provinces", "surge", "certainty", "slo", "redundancy", "terms", "prices", "supporting"]
GROUPS: tuple[Group, ...] = (
    "starts",
    "provinces",
    "surge",
    "certainty",
    "redundancy",
    "terms",
    "prices",
    "supporting",
    "slo",
)
SURGE = ("first_day_multiple", "half_life_days", "peak_hour_multiple")
PROVINCE = "province."
ALL_RENTS = "prices.rise"


@dataclass(frozen=True, slots=True)
class Field:
    """One changeable value. `value`: as it is now. `row`, `column`: its place where a group is a table."""

    name: str
    group: Group
    kind: Kind
    value: int | float | dt.date | tuple[int, ...]
    row: str = ""
    column: str = ""
    choices: tuple[int, ...] = ()


def fields(inputs: Inputs) -> tuple[Field, ...]:
    """Every changeable value of a plan, in the order of the page."""
    return tuple(_all(inputs))


def _all(inputs: Inputs) -> Iterator[Field]:
    launch = inputs.launch
    for n, phase in enumerate(launch.phases):
        yield Field(f"phases[{n}].start", "starts", "day", phase.start, row=str(phase.id))
    numbers = tuple(p.id for p in launch.phases)
    home = {code: p.id for p in launch.phases for code in p.provinces}
    for province in sorted(inputs.provinces, key=lambda p: (p.tz_abbr, p.province)):
        yield Field(
            f"{PROVINCE}{province.code}",
            "provinces",
            "phase",
            home[province.code],
            row=province.province,
            column=province.tz_abbr,
            choices=numbers,
        )
    for name in SURGE:
        stated = getattr(launch.demand.surge, name)
        for quantile in ("p10", "p50", "p90"):
            value = float(getattr(stated, quantile))
            yield Field(f"demand.surge.{name}.{quantile}", "surge", "number", value, row=name, column=quantile)
    yield Field("design.quantile", "certainty", "percent", launch.design.quantile, row="quantile")
    yield Field("design.headroom", "certainty", "number", launch.design.headroom, row="headroom")
    for n, role in enumerate(launch.roles):
        yield Field(f"roles[{n}].redundancy", "redundancy", "count", role.redundancy, row=role.role)
    offered = tuple(sorted({p.term_months for p in inputs.prices} | set(launch.leasing.terms_months)))
    yield Field("leasing.terms_months", "terms", "months", launch.leasing.terms_months, choices=offered)
    yield Field("leasing.vendor_share_max", "terms", "percent", launch.leasing.vendor_share_max, row="vendor_share")
    yield Field(ALL_RENTS, "prices", "rise", 0.0)
    for price in sorted(inputs.prices, key=lambda p: (p.sku, p.vendor, p.term_months)):
        column = f"{price.vendor}|{price.term_months}"
        name = f"prices[{price.id}].monthly_rent"
        yield Field(name, "prices", "rupiah", price.monthly_rent, row=price.sku, column=column)
    for item in inputs.supporting:
        name = f"supporting[{item.id}].monthly_rent"
        yield Field(name, "supporting", "rupiah", item.monthly_rent, row=item.id)
    for n, endpoint in enumerate(launch.endpoints):
        for quantile in ("p95", "p99"):
            value = float(getattr(endpoint, f"slo_{quantile}_ms"))
            name = f"endpoints[{n}].slo_{quantile}_ms"
            yield Field(name, "slo", "number", value, row=endpoint.id, column=quantile)
