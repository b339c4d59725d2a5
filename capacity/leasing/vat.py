"""Value added tax (PPN) by the date of payment, from the dated rules in `capacity/data/taxes.csv`."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from capacity.documents import REPOSITORY, read_csv, shown
from capacity.faults import BadInput, Fault

VAT_RULES = REPOSITORY / "capacity" / "data" / "taxes.csv"
_COLUMNS = ("tax", "start", "rate", "base_share", "source", "source_url")


@dataclass(frozen=True, slots=True)
class VatRate:
    """One dated rule: from `since` on, tax = `rate` x price. `rate` is exact (12 % x 11/12 = 11/100)."""

    since: dt.date
    rate: Fraction
    source: str


@dataclass(frozen=True, slots=True)
class Vat:
    """Dated tax rates, oldest first."""

    rates: tuple[VatRate, ...]

    def at(self, day: dt.date) -> VatRate:
        """The rule in force on `day`. Raises BadInput when no rule reaches back that far."""
        place = bisect_right([rate.since for rate in self.rates], day) - 1
        if place < 0:
            first = self.rates[0].since if self.rates else None
            raise BadInput(
                [Fault("VAT rules", "from", str(day), f"no tax rate before {first}", "Add the rate in force then.")]
            )
        return self.rates[place]

    def tax_idr(self, base_idr: int, day: dt.date) -> int:
        """Tax on `base_idr` paid on `day`, in whole rupiah, halves rounded up."""
        exact = self.at(day).rate * base_idr
        return int((2 * exact + 1) // 2)


def load_vat(path: Path = VAT_RULES, tax: str = "ppn") -> Vat:
    """The dated rates of `tax` in `path` (columns: tax, start, rate, base_share, source, …). Raises BadInput.

    `base_share` is the part of the price that is taxed; a decimal there stands for the nearest simple fraction (11/12).
    """
    rates: list[VatRate] = []
    faults: list[Fault] = []
    for number, row in enumerate(read_csv(path, _COLUMNS), start=2):
        if row["tax"] != tax:
            continue
        try:
            rate = Fraction(row["rate"]) * Fraction(row["base_share"]).limit_denominator(1000)
            since = dt.date.fromisoformat(row["start"])
        except (ValueError, ZeroDivisionError) as error:
            faults.append(Fault(shown(path), f"row {number}", str(row), f"not a rate: {error}", "Mend the row."))
            continue
        if not 0 <= rate < 1:
            faults.append(Fault(shown(path), f"row {number}", row["rate"], "rate outside 0–100 %", "Mend the rate."))
        rates.append(VatRate(since, rate, f"{row['source']} <{row['source_url']}>"))
    if len({rate.since for rate in rates}) != len(rates):
        faults.append(Fault(shown(path), "start", "", "two rates start on one day", "Keep one of them."))
    if not rates and not faults:
        faults.append(Fault(shown(path), "tax", "", f"has no row of tax {tax!r}", "Add its rates."))
    if faults:
        raise BadInput(faults)
    return Vat(tuple(sorted(rates, key=lambda rate: rate.since)))
