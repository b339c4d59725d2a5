"""The lease ledger as rows: which line, contract and price cover a server, and how long. Pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.lease.decided import Decided

ON_ORDER = "ordered"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One server under one lease line. Rupiah a server a month, before VAT."""

    server: str
    line: str
    vendor: str
    contract: str
    monthly_rent_idr: int
    start: dt.date
    notice: dt.date
    end: dt.date
    days_left: int
    state: str


def ledger_rows(
    since: Decided, names: Iterable[str], states: Mapping[str, str], today: dt.date
) -> tuple[LedgerRow, ...]:
    """The rows of the named servers, what ends first coming first. `states`: server → state, of those that stand."""
    lines = {line.id: line for line in since.plan.leases}
    rows = [
        LedgerRow(
            server=server.name,
            line=line.id,
            vendor=line.vendor,
            contract=since.contracts.get(line.id, ""),
            monthly_rent_idr=line.monthly_rent_idr,
            start=line.start,
            notice=line.notice_date,
            end=line.end,
            days_left=(line.end - today).days,
            state=ON_ORDER if server.name in since.on_order else states.get(server.name, "planned"),
        )
        for server in (since.plan.server(name) for name in names)
        for line in (lines[identity] for identity in server.leases)
    ]
    return tuple(sorted(rows, key=lambda row: (row.end, row.line, row.server)))


def servers_of(since: Decided, name: str) -> tuple[str, ...]:
    """The servers that a server's or a lease line's name stands for; none when the plan has neither."""
    servers = since.plan.servers
    if any(server.name == name for server in servers):
        return (name,)
    return tuple(server.name for server in servers if name in server.leases)


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of the month, so many months later. Raises ValueError where that month has no such day."""
    count = day.year * 12 + day.month - 1 + months
    return day.replace(year=count // 12, month=count % 12 + 1)
