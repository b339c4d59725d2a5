"""The lease plan as it was decided on since: one pure function from the plan and the decisions to the plan in force."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from capacity.faults import BadInput, Fault
from capacity.leaseplan import Deployment, LeasedServer, LeaseLine, LeasePlan
from infra.lease.decisions import Decision, Decisions, Deliver, Move, Renew, Replace, Return, Sign


@dataclass(frozen=True, slots=True)
class Decided:
    """The plan in force.

    `places`: every server that was ever planned. `machines`: server → the one in whose place its machine stands, where
    that is not its own. `on_order`: servers that wait for a machine. `racks`: server → rack, where not that of its
    index. `lost`: place of a machine that cannot be erased → why. `contracts`: lease line → number of its contract.
    """

    plan: LeasePlan
    places: Mapping[str, LeasedServer] = field(default_factory=dict)
    machines: Mapping[str, str] = field(default_factory=dict)
    on_order: frozenset[str] = frozenset()
    racks: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    contracts: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, path: str, value: str, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.path, self.value, self.problem, self.remedy = path, value, problem, remedy


def decided(plan: LeasePlan, made: Decisions, file: str = "decisions") -> Decided:
    """Apply the decisions in their order. Raises BadInput with every one that the plan does not bear."""
    ledger, faults = _Ledger(plan), []
    for number, decision in enumerate(made.decisions):
        try:
            ledger.apply(decision)
        except _Refused as refused:
            where = f"decisions[{number}].{refused.path}"
            faults.append(Fault(file, where, refused.value, refused.problem, refused.remedy))
    if faults:
        raise BadInput(faults)
    return ledger.decided()


class _Ledger:
    """The plan while decisions are applied to it, one after the other."""

    def __init__(self, plan: LeasePlan) -> None:
        self._plan = plan
        self._servers = {server.name: server for server in plan.servers}
        self._places = dict(self._servers)
        self._lines = {line.id: line for line in plan.leases}
        self._renamed: dict[str, str] = {}
        self._machines: dict[str, str] = {}
        self._on_order: set[str] = set()
        self._racks: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        self._contracts: dict[str, str] = {}

    def apply(self, decision: Decision) -> None:
        """One decision; raises _Refused and leaves everything as it was when the plan does not bear it."""
        match decision:
            case Sign():
                self._contracts[self._line(decision.line).id] = decision.contract
            case Renew():
                self._renew(decision)
            case Replace():
                self._replace(decision)
            case Deliver():
                server = self._server(decision.server, "server")
                self._on_order.discard(server.name)
                self._lost.pop(self._place(server.name), None)
            case Return():
                for server in [self._server(name, "servers") for name in decision.servers]:
                    self._forget(server, decision.lost)
            case Move():
                self._move(decision)

    def decided(self) -> Decided:
        """What came of it."""

        def staying(deployment: Deployment) -> Deployment:
            names = (self._renamed.get(name, name) for name in deployment.servers)
            return deployment.model_copy(update={"servers": tuple(name for name in names if name in self._servers)})

        phases = tuple(
            phase.model_copy(update={"national": staying(phase.national), "rack": staying(phase.rack)})
            for phase in self._plan.phases
        )
        lines, servers = tuple(self._lines.values()), tuple(self._servers.values())
        return Decided(
            plan=self._plan.model_copy(update={"phases": phases, "leases": lines, "servers": servers}),
            places=self._places,
            machines={name: place for name, place in self._machines.items() if name != place},
            on_order=frozenset(self._on_order),
            racks=self._racks,
            lost=self._lost,
            contracts=self._contracts,
        )

    def _renew(self, decision: Renew) -> None:
        line = self._line(decision.line)
        if decision.until <= line.end:
            return  # the plan has it by now
        months = _whole_months(line.end, decision.until)
        if months is None:
            problem = f"is no whole number of months after {line.end}, the end of the line"
            remedy = f"Leases run by months: choose the same day of a month as {line.end}."
            raise _Refused("until", str(decision.until), problem, remedy)
        notice = decision.until - (line.end - line.notice_date)
        if decision.monthly_rent_idr in (None, line.monthly_rent_idr):
            update = {"end": decision.until, "months": line.months + months, "notice_date": notice}
            self._lines[line.id] = line.model_copy(update=update)
            self._cover(line.id, lambda leases: leases)
            return
        renewed = line.model_copy(
            update={
                "id": f"{line.id}-renewed-{line.end:%Y%m}",
                "start": line.end,
                "end": decision.until,
                "months": months,
                "notice_date": notice,
                "order_date": line.notice_date,
                "monthly_rent_idr": decision.monthly_rent_idr,
                "setup_idr": 0,
                "quotation": decision.quotation,
                "renews": line.id,
            }
        )
        self._lines[renewed.id] = renewed
        self._cover(line.id, lambda leases: (*leases, renewed.id))

    def _cover(self, line: str, leases: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        for server in [server for server in self._servers.values() if line in server.leases]:
            covered = leases(server.leases)
            end = max(self._lines[name].end for name in covered if name in self._lines)
            self._servers[server.name] = server.model_copy(update={"leases": covered, "end": end})

    def _replace(self, decision: Replace) -> None:
        server = self._server(decision.server, "server")
        place = self._place(server.name)
        if decision.spare:
            spare = self._server(decision.spare, "spare")
            if (spare.site, spare.sku) != (server.site, server.sku) or spare.name == server.name:
                problem = f"{spare.name} is a {spare.sku} at {spare.site}, and cannot take the place of {server.name}"
                remedy = f"Choose another {server.sku} at {server.site}, or leave the spare out."
                raise _Refused("spare", decision.spare, problem, remedy)
            if spare.name in self._on_order:
                remedy = "Choose one whose machine stands, or leave the spare out."
                raise _Refused("spare", spare.name, "has no machine: it is on order itself", remedy)
            self._machines[server.name], self._machines[spare.name] = self._place(spare.name), place
            self._on_order.discard(server.name)
            self._on_order.add(spare.name)
        else:
            self._on_order.add(server.name)
        if decision.lost:
            self._lost[place] = f"{decision.by}, {decision.on}: {decision.lost}"

    def _forget(self, server: LeasedServer, lost: str) -> None:
        if lost:
            self._lost[self._place(server.name)] = lost
        del self._servers[server.name]
        self._on_order.discard(server.name)
        for name in server.leases:
            if line := self._lines.get(name):
                if line.quantity == 1:
                    del self._lines[name]
                else:
                    self._lines[name] = line.model_copy(update={"quantity": line.quantity - 1})

    def _move(self, decision: Move) -> None:
        server = self._server(decision.server, "server")
        if bool(decision.site) == bool(decision.rack):
            remedy = "Give the rack it stands in, or the site it goes to; at a site its index gives the rack."
            raise _Refused("rack", "", "a move is to a rack or to a site", remedy)
        if decision.rack:
            self._racks[server.name] = decision.rack
            return
        sites = {site.id for site in self._plan.sites}
        index = decision.name.removeprefix(f"{decision.site}-{server.role}-")
        if decision.site not in sites or decision.site == server.site:
            known = ", ".join(sorted(sites - {server.site})) or "none: the plan has one site"
            raise _Refused("site", decision.site, "no other site of the plan", f"Use {known}.")
        if not index.isdigit() or decision.name in self._servers or decision.name in self._renamed:
            problem = "no free name of its role at the site"
            raise _Refused("name", decision.name, problem, f"Use {self.free_name(decision.site, server)}.")
        update = {"name": decision.name, "site": decision.site, "index": int(index)}
        moved = server.model_copy(update=update)
        self._servers = {s.name: s for s in (moved if s is server else s for s in self._servers.values())}
        self._places[moved.name] = moved
        self._machines.pop(server.name, None)
        first = next((old for old, new in self._renamed.items() if new == server.name), server.name)
        self._renamed[first] = decision.name
        self._on_order.discard(server.name)
        self._on_order.add(decision.name)

    def free_name(self, site: str, server: LeasedServer) -> str:
        """The name with the next index of the server's role at the site that no server ever had."""
        planned = (*self._plan.servers, *self._servers.values())
        last = max((s.index for s in planned if (s.site, s.role) == (site, server.role)), default=0)
        return f"{site}-{server.role}-{last + 1:02d}"

    def _place(self, name: str) -> str:
        return self._machines.get(name, name)

    def _line(self, identity: str) -> LeaseLine:
        if line := self._lines.get(identity):
            return line
        remedy = "Name a line of the lease plan (`oss lease list`); a decision that a new plan took over is removed."
        raise _Refused("line", identity, "there is no such lease line", remedy)

    def _server(self, name: str, path: str) -> LeasedServer:
        if server := self._servers.get(name):
            return server
        remedy = "Name a server of the lease plan (`oss lease list`); a decision that a new plan took over is removed."
        raise _Refused(path, name, "there is no such server", remedy)


def free_name(plan: LeasePlan, made: Decisions, server: str, site: str) -> str:
    """The name that a server would have at another site. Raises KeyError when there is no such server."""
    ledger = _Ledger(plan)
    for decision in made.decisions:
        ledger.apply(decision)
    return ledger.free_name(site, ledger._servers[server])


def _whole_months(start: dt.date, end: dt.date) -> int | None:
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if start.day == end.day and months > 0 else None
