"""The policies: one table, one pure function each. Remarks name what is wrong, with whom, and what to do about it.

`mandatory` refuses; `advisory` is shown and lets pass. Dates are judged as of `Situation.today`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from infra.lease.model import LeaseTerms
from infra.policies.facts import Placed, Situation, required

Level = Literal["mandatory", "advisory"]
NOTICE_DAYS = (30, 60, 90)
"""Warnings before the last day to give or renew notice."""

MANAGEMENT_PORTS: dict[int, str] = {
    22: "ssh",
    623: "IPMI",
    2379: "etcd",
    2380: "etcd",
    3000: "dashboards",
    5432: "PostgreSQL",
    6443: "Kubernetes API",
    8008: "database management",
    8404: "edge metrics",
    9090: "metrics",
    9100: "metrics",
    9187: "database metrics",
    10250: "kubelet",
    10257: "controller manager",
    10259: "scheduler",
}
"""Ports that nobody outside may reach."""

REFUSED = "policies refuse the fleet"
"""How the message of a refusal goes, for those who read the engine's diagnostics."""

TAGS = ("environment", "leases", "vendors", "contracts", "notice", "end")
"""What the tags of a server must say."""

OPEN_SOURCES = frozenset({"internet", "any"})
INNER_ZONES = frozenset({"management", "oob"})


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding: the policy, whom it concerns, what is wrong, and the remedy."""

    policy: str
    level: Level
    subject: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}. {self.remedy}"


Finding = tuple[str, str, str]
"""Subject, problem, remedy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule about each server alone (`of_server`) or about all of them together (`of_fleet`)."""

    id: str
    level: Level
    description: str
    of_server: Callable[[Placed, Situation], Iterator[Finding]] | None = None
    of_fleet: Callable[[Sequence[Placed], Situation], Iterator[Finding]] | None = None

    def remarks(self, servers: Sequence[Placed], situation: Situation) -> Iterator[Remark]:
        """Everything that the policy has to say of these servers."""
        if self.of_server:
            for server in servers:
                yield from self._told(self.of_server(server, situation))
        if self.of_fleet:
            yield from self._told(self.of_fleet(servers, situation))

    def _told(self, findings: Iterable[Finding]) -> Iterator[Remark]:
        return (Remark(self.id, self.level, *finding) for finding in findings)


def untagged(server: Placed, situation: Situation) -> Iterator[Finding]:
    """A server whose place, role or contract the ledger does not know is nobody's: it is neither found nor returned."""
    missing = [key for key in ("environment", "site", "role", "rack") if not getattr(server, key)]
    missing += server.unreadable
    if not server.leases and not server.unreadable:
        missing.append("leases")
    missing += [f"vendor of {line.id or 'a line'}" for line in server.leases if not line.vendor]
    tags = dict(server.tags)
    missing += [f"the tag {tag}" for tag in TAGS if not tags.get(tag)]
    if missing:
        remedy = "Declare servers from the lease plan (infra/lease/inputs.py), which has all of it."
        yield server.name, f"its ledger lacks {', '.join(missing)}", remedy
    known = {line.id for line in situation.plan.leases}
    for line in server.leases:
        if line.id not in known:
            remedy = "Correct the contract in the launch plan's inputs, then run `oss plan`."
            yield server.name, f"lease line {line.id} is not in the lease plan", remedy


def unpriced(server: Placed, situation: Situation) -> Iterator[Finding]:
    """Without a rent there is no cost, no commitment and no budget to hold it against."""
    for line in server.leases:
        if line.monthly_rent_idr <= 0:
            remedy = f"Enter the price of {line.vendor} in the plan's price table, then run `oss plan`."
            yield server.name, f"lease line {line.id} has no rent", remedy


def past_the_lease(server: Placed, situation: Situation) -> Iterator[Finding]:
    """No server stands a day longer than its contract, nor over a gap between two of them."""
    end = server.lease_end
    if end is None:
        return
    lines = sorted(server.leases, key=lambda line: line.start)
    remedy = "Renew the lease in the plan and run `oss plan`, or move its work and return it."
    phase = situation.plan.phase(situation.phase)
    if end <= situation.today:
        yield server.name, f"its lease ended on {end}, and today is {situation.today}", remedy
    elif end < phase.end:
        yield server.name, f"its lease ends on {end}, before phase {phase.id} does ({phase.end})", remedy
    for first, second in pairwise(lines):
        if second.start > first.end:
            problem = f"it has no lease from {first.end} ({first.id}) to {second.start} ({second.id})"
            yield server.name, problem, remedy


def not_yet_leased(server: Placed, situation: Situation) -> Iterator[Finding]:
    """It is in the plan, but its vendor owes it later."""
    start = min((line.start for line in server.leases), default=None)
    if start is not None and start > situation.today:
        remedy = f"Expect it then; until then `oss up` cannot take it over. Today is {situation.today}."
        yield server.name, f"its lease begins on {start}", remedy


def below_n_plus_one(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """Every role of every site has the servers that the plan needs, its spare among them."""
    count: dict[tuple[str, str], int] = defaultdict(int)
    for server in servers:
        count[server.site, server.role] += 1
    for (site, role), (needed, words) in sorted(required(situation).items()):
        if (found := count[site, role]) < needed:
            problem = f"{found} {role} server{'s' * (found != 1)}, and phase {situation.phase} needs {needed} ({words})"
            remedy = "Replace what failed or was returned, or plan the phase with fewer: `oss plan`."
            yield f"{site}.{role}", problem, remedy


def database_with_its_replica(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """One rack's power or switch must not take a database and its replica."""
    racks: dict[str, list[str]] = defaultdict(list)
    for server in servers:
        if server.role == "database":
            racks[server.rack].append(server.name)
    for rack, names in sorted(racks.items()):
        if len(names) > 1:
            remedy = "Spread them: raise oss:racksPerSite to at least the databases of a site."
            yield rack, f"{' and '.join(sorted(names))} stand in one rack", remedy


def open_management(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """What administers the fleet answers to the fleet's own people alone."""
    network = situation.plan.network
    for rule in network.firewall:
        if rule.source in OPEN_SOURCES:
            for port in rule.ports:
                if what := MANAGEMENT_PORTS.get(port):
                    problem = f"{what} (port {port}) of role {rule.to_role} is open to {rule.source}"
                    remedy = "Name `ops` as the rule's source in the launch plan's firewall, then run `oss plan`."
                    yield f"network.firewall.{rule.to_role}", problem, remedy
    for zone in network.zones:
        opened = sorted(INNER_ZONES.intersection(zone.opens_to))
        if zone.id == "public" and opened:
            remedy = f"Take {', '.join(opened)} out of `opens_to` in the launch plan's zones, then run `oss plan`."
            yield f"network.zones.{zone.id}", f"the public zone opens to {', '.join(opened)}", remedy
    for rule_ in network.perimeter:
        if rule_.to_zone in INNER_ZONES and rule_.source != "ops":
            remedy = "Name `ops` as the rule's source in the launch plan's perimeter, then run `oss plan`."
            yield f"network.perimeter.{rule_.to_zone}", f"role {rule_.source} may open {rule_.to_zone}", remedy


def other_plan(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """What is built is what was planned and approved, to the last byte."""
    for fault in situation.stale:
        yield situation.plan.plan, f"{fault.path} {fault.problem}", fault.remedy
    if situation.approved_hash and situation.approved_hash != situation.plan_hash:
        problem = f"its hash is {situation.plan_hash}, and {situation.approved_hash} was approved for this environment"
        remedy = "Apply the approved plan, or have this one approved and set oss:approvedPlan to its hash."
        yield situation.plan.plan, problem, remedy


def notice_is_near(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """Warns 90, 60 and 30 days before the last day to give or renew notice, once for each line."""
    renewed = {line.renews for line in situation.plan.leases if line.renews}
    for line, names in _by_line(servers):
        left = (line.notice_date - situation.today).days
        band = notice_band(left)
        if band is None or line.id in renewed or line.end <= situation.today:
            continue
        when = f"in {left} days, on {line.notice_date}" if left >= 0 else f"since {line.notice_date}"
        word = "notice is due" if left >= 0 else "the day of notice has passed,"
        problem = f"{word} {when}: {len(names)} server{'s' * (len(names) != 1)} of {line.vendor} until {line.end}"
        remedy = "Renew it in the plan (`renews`) and sign, or give notice and plan its return."
        yield line.id, problem + (f" (warning at {band} days)" if band else ""), remedy


def notice_band(days_left: int) -> int | None:
    """The warning that counts: 90, 60 or 30 days; 0 once the day has passed; None while it is far."""
    if days_left < 0:
        return 0
    return next((days for days in NOTICE_DAYS if days_left <= days), None)


def without_quotation(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """Estimates are good enough to plan with, not to sign on."""
    lines = [line for line, _ in _by_line(servers)]
    if missing := sum(line.quotation is None for line in lines):
        problem = f"{missing} of {len(lines)} lease lines stand without a quotation, so costs are indicative"
        yield situation.plan.plan, problem, "Enter quotations in the price table, then run `oss plan`."


def without_contract(servers: Sequence[Placed], situation: Situation) -> Iterator[Finding]:
    """What serves the nation stands on signed contracts. A rack stands on none."""
    lines = [line for line, _ in _by_line(servers)]
    unsigned = [line.id for line in lines if line.contract is None]
    if unsigned and situation.scale == "national":
        problem = f"{len(unsigned)} of {len(lines)} lease lines have no signed contract, {unsigned[0]} first"
        yield situation.plan.plan, problem, "Note each as it is signed: `oss lease sign`."


def _by_line(servers: Sequence[Placed]) -> list[tuple[LeaseTerms, list[str]]]:
    """Each lease line with the servers that it covers, by the line's id."""
    lines: dict[str, tuple[LeaseTerms, list[str]]] = {}
    for server in servers:
        for line in server.leases:
            lines.setdefault(line.id, (line, []))[1].append(server.name)
    return [lines[identity] for identity in sorted(lines)]


POLICIES: tuple[Policy, ...] = (
    Policy("untagged", "mandatory", "Every server has its place and its contract in the ledger.", untagged),
    Policy("unpriced", "mandatory", "Every lease line has a rent.", unpriced),
    Policy("lease-end", "mandatory", "No server stands past the end of its lease.", past_the_lease),
    Policy("lease-start", "advisory", "Servers are leased before they are taken over.", not_yet_leased),
    Policy("n-plus-one", "mandatory", "Every role keeps its spare.", None, below_n_plus_one),
    Policy("database-racks", "mandatory", "A database and its replica stand apart.", None, database_with_its_replica),
    Policy("management-ports", "mandatory", "Only the fleet's own people administer it.", None, open_management),
    Policy("plan-hash", "mandatory", "What is built is the plan.", None, other_plan),
    Policy("notice", "advisory", "Nobody misses a day of notice.", None, notice_is_near),
    Policy("contract", "advisory", "Lease lines are signed.", None, without_contract),
    Policy("quotation", "advisory", "Prices have quotations.", None, without_quotation),
)


def judge(servers: Sequence[Placed], situation: Situation) -> tuple[Remark, ...]:
    """Every remark of every policy, the refusing ones first."""
    found = [remark for policy in POLICIES for remark in policy.remarks(servers, situation)]
    return tuple(sorted(found, key=lambda remark: remark.level != "mandatory"))
