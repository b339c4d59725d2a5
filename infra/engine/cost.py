"""What a preview costs: the rupiah difference by lease line, per month and over the term. Pure functions.

Rents are those of the lease plan, before VAT. A line's servers are counted as the stack's state has them before, and as
the program wants them after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.lease.model import LeaseTerms

Ledger = Mapping[str, Iterable[LeaseTerms]]
"""Server → the lease lines that cover it."""


@dataclass(frozen=True, slots=True)
class LineDifference:
    """One lease line: servers before and after, and the difference in rupiah. A line that follows another on the same
    servers adds to the term alone."""

    line: str
    vendor: str
    months: int
    before: int
    after: int
    per_month_idr: int
    over_term_idr: int
    estimate: bool


def cost_difference(before: Ledger, after: Ledger) -> tuple[LineDifference, ...]:
    """One row for each line whose servers or terms differ, by line. Setup is paid once for each server that joins."""
    terms = {line.id: line for ledger in (before, after) for lines in ledger.values() for line in lines}
    old_terms = {line.id: line for lines in before.values() for line in lines}
    had, has = _count(before), _count(after)
    paid, pays = _first(before), _first(after)
    rows = (
        _row(terms[line], old_terms.get(line, terms[line]), had[line], has[line], paid[line], pays[line])
        for line in sorted(terms)
    )
    return tuple(row for row in rows if row.before != row.after or row.per_month_idr or row.over_term_idr)


def total(rows: Iterable[LineDifference]) -> tuple[int, int]:
    """Rupiah a month and over the terms, of all lines together."""
    listed = list(rows)
    return sum(row.per_month_idr for row in listed), sum(row.over_term_idr for row in listed)


def rupiah(amount: int) -> str:
    """`-1500000` → `-Rp 1.500.000`, with the thousands separator of Indonesian usage."""
    return f"{'-' if amount < 0 else ''}Rp {abs(amount):,}".replace(",", ".")


def _row(now: LeaseTerms, old: LeaseTerms, had: int, has: int, paid: int, pays: int) -> LineDifference:
    per_month = pays * now.monthly_rent_idr - paid * old.monthly_rent_idr
    rent = has * now.monthly_rent_idr * now.months - had * old.monthly_rent_idr * old.months
    setup = has * now.setup_idr - had * old.setup_idr
    return LineDifference(
        line=now.id,
        vendor=now.vendor,
        months=now.months,
        before=had,
        after=has,
        per_month_idr=per_month,
        over_term_idr=rent + setup,
        estimate=now.quotation is None,
    )


def _first(ledger: Ledger) -> Counter[str]:
    """Servers by the line that they begin under: a line that follows another is paid instead of it, not beside it."""
    firsts = (min(lines, key=lambda line: line.start, default=None) for lines in ledger.values())
    return Counter(line.id for line in firsts if line)


def _count(ledger: Ledger) -> Counter[str]:
    return Counter(line.id for lines in ledger.values() for line in lines)
