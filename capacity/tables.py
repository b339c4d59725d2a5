"""The CSV tables that a launch plan names, as typed rows. A fault names the file, the row and the column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError

from capacity.documents import Document, read_csv, shown
from capacity.faults import BadInput, Fault

RowT = TypeVar("RowT", bound=Document)


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _yes_no(value: Any) -> Any:
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


Flag = Annotated[bool, BeforeValidator(_yes_no)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_to_none)]
OptionalDay = Annotated[dt.date | None, BeforeValidator(_blank_to_none)]
OptionalNumber = Annotated[float | None, BeforeValidator(_blank_to_none)]
Currency = Literal["IDR"]
Roles = Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(v.split()) if isinstance(v, str) else v)]


class Province(Document):
    """One of the 34 provinces of 2018. `businesses`: non-farm establishments of the economic census of 2016."""

    code: str = Field(pattern=r"^ID-[A-Z]{2}$")
    bps_code: str
    province: str
    island_group: str
    tz_iana: str
    tz_abbr: Literal["WIB", "WITA", "WIT"]
    utc_offset_h: int = Field(ge=7, le=9)
    regencies_and_cities: int = Field(gt=0)
    population_2010: OptionalNumber
    population_2020: float = Field(gt=0)
    businesses: int = Field(gt=0)
    businesses_basis: str
    internet_user_share_pct: OptionalNumber
    businesses_source: str
    businesses_source_url: str


class UsagePoint(Document):
    """A published figure of how the system was used."""

    metric: str
    period: str
    value: float
    unit: str
    kind: str
    source_title: str
    source_url: str
    confidence: str
    note: str


class SkuRow(Document):
    """A class of server that may be leased, and the roles it suits."""

    id: str
    roles: Roles
    description_id: str
    description_en: str
    cores: int = Field(gt=0)
    memory_gib: int = Field(gt=0)
    disks: int = Field(gt=0)
    disk_gb: int = Field(gt=0)
    nics: int = Field(gt=0)
    nic_gbit_s: float = Field(gt=0)
    rack_units: int = Field(gt=0)
    power_w: int = Field(gt=0)
    iops: int = Field(gt=0)
    source: str
    estimate: Flag


class Price(Document):
    """One offer of the price book: a SKU for a term. Without a quotation it is an estimate: totals are indicative."""

    id: str
    vendor: str
    vendor_is_placeholder: Flag
    sku: str
    term_months: int = Field(ge=1)
    monthly_rent: int = Field(ge=0, description="a server a month, before VAT")
    setup: int = Field(ge=0, description="a server, once, before VAT")
    currency: Currency
    price_date: dt.date
    lead_time_days: int = Field(ge=0)
    notice_days: int = Field(ge=0)
    quotation: OptionalText
    source: str = Field(min_length=3)
    estimate: Flag
    note: str


class Supporting(Document):
    """A supporting device or service: switches, firewalls, racks, bandwidth. `capacity` says what one unit carries."""

    id: str
    kind: Literal["colocation", "power", "switch", "firewall", "load_balancer", "ups", "bandwidth", "link"]
    description_id: str
    description_en: str
    capacity: float = Field(gt=0)
    capacity_unit: str
    monthly_rent: int = Field(ge=0)
    setup: int = Field(ge=0)
    currency: Currency
    price_date: dt.date
    vendor: str
    quotation: OptionalText
    source: str = Field(min_length=3)
    source_url: str
    estimate: Flag
    note: str


class CalendarSpan(Document):
    """A dated span that changes office hours. Both days belong to it."""

    kind: Literal["ramadan"]
    start: dt.date
    end: dt.date
    name_id: str
    name_en: str
    source: str
    estimate: Flag


def read_rows(model: type[RowT], path: Path) -> tuple[RowT, ...]:
    """Every row of `path` as a `model`. Raises BadInput with one fault for each wrong cell."""
    return rows_of(model, read_csv(path, tuple(model.model_fields)), shown(path))


def rows_of(model: type[RowT], rows: Sequence[Mapping[str, str]], source: str) -> tuple[RowT, ...]:
    """The rows of a table as `model`s; `source` names the table in faults. Raises BadInput."""
    faults: list[Fault] = []
    parsed: list[RowT] = []
    for number, row in enumerate(rows, start=2):
        try:
            parsed.append(model.model_validate(row))
        except ValidationError as error:
            faults += [
                Fault(
                    file=source,
                    path=f"row {number}.{'.'.join(str(part) for part in detail['loc'])}",
                    value=repr(detail.get("input")),
                    problem=detail["msg"].removeprefix("Value error, "),
                    remedy=_remedy(str(detail["loc"][-1]) if detail["loc"] else "", detail["type"]),
                )
                for detail in error.errors(include_url=False)
            ]
    if faults:
        raise BadInput(faults)
    return tuple(parsed)


def _remedy(column: str, kind: str) -> str:
    if column == "currency":
        return "State the currency of the price; the price book holds IDR."
    if kind == "extra_forbidden":
        return "Remove the column; it is not part of this table."
    return "Correct the cell."
