"""Compute the lease plan: demand, sizing, leases. Writes PLAN.lock.yaml beside the plan.

The same inputs give the same file, byte for byte. Bad input changes nothing and lists every fault with its remedy.

  oss plan                           the national plan
  oss plan my.yaml --draws 2000      another plan, quicker
  oss plan --check                   does the lock still match its inputs? (exit code 2 when not)
  oss plan --scenario cowin-hour     what an extreme would do to the plan's capacity; writes nothing
"""

from __future__ import annotations

import argparse

from capacity.assembly.scenarios import stress
from capacity.documents import shown, to_yaml, write_text
from capacity.faults import BadInput, Exit, Fault
from capacity.inputs import load_inputs
from capacity.launch import plan_path
from capacity.leaseplan import LeasePlan, StressResult, load_lease_plan, lock_path
from capacity.planner import compute, make_plan
from oss.console import out, progress, table

HEADER = "The lease plan. Computed by `oss plan`; edit the launch plan, never this file."


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss plan`."""
    parser.add_argument("plan", nargs="?", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument(
        "--draws", type=int, help="random draws (default: as the plan states); more is smoother, slower"
    )
    parser.add_argument("--scenario", metavar="NAME", help="evaluate a stress scenario of the plan; write nothing")
    parser.add_argument("--check", action="store_true", help="only compare the lock with its inputs; write nothing")


def run(args: argparse.Namespace) -> int:
    """Compute and write, or check. Exit codes: 0 done, 1 scenario not carried, 2 bad input or stale, 3 infeasible."""
    path = plan_path(args.plan)
    lock = lock_path(path)
    if args.draws is not None and args.draws < 100:
        raise BadInput([Fault("--draws", "", str(args.draws), "too few to speak of quantiles", "Use 100 or more.")])
    if args.check:
        load_inputs(path)
        load_lease_plan(lock)
        out.print(f"{shown(lock)} matches its inputs", markup=False)
        return Exit.GO
    with progress("plan") as shows:
        inputs = load_inputs(path)
        if args.scenario:
            return show_stress(stress(compute(inputs, args.draws, shows), args.scenario))
        plan = make_plan(inputs, args.draws, shows)
    write_text(lock, to_yaml(plan, HEADER))
    show(plan)
    out.print(f"\nwritten: {shown(lock)}", markup=False)
    return Exit.GO


def show(plan: LeasePlan) -> None:
    """The plan at a glance."""
    out.print(plan.title_en, style="bold", markup=False)
    table(
        "Phases (predicted by the model, at the design quantile)",
        ("phase", "from", "provinces", "NIB/day P50", "P95", "calls/s", "suffices", "rack calls/s"),
        [
            (
                p.id,
                p.start,
                len(p.provinces),
                f"{p.registrations_per_day['p50']:,.0f}",
                f"{p.registrations_per_day['p95']:,.0f}",
                f"{_calls(plan, p.national.class_rates_per_s):,.0f}",
                f"{p.sufficiency:.1%}",
                f"{_calls(plan, p.rack.class_rates_per_s):,.1f}",
            )
            for p in plan.phases
        ],
        right=(0, 2, 3, 4, 5, 6, 7),
    )
    groups = sorted({(s.site, s.role, s.sku) for s in plan.servers}, key=lambda g: (g[0] != "primary", g[0], g[1]))
    table(
        "Leased servers standing at the end of each phase",
        ("site", "role", "SKU", *(f"phase {p.id}" for p in plan.phases), *(f"rack {p.id}" for p in plan.phases)),
        [
            (
                *group,
                *(_count(plan, p.national.servers, group) for p in plan.phases),
                *(_count(plan, p.rack.servers, group) or "" for p in plan.phases),
            )
            for group in groups
        ],
        right=(3, 4, 5, 6, 7, 8),
    )
    table(
        "Sites at the end of each phase (predicted)",
        ("phase", "site", "racks", "units", "kW", "Mbit/s", "sessions", "documents TB", "database TB"),
        [
            (
                p.id,
                s.site,
                s.racks,
                s.rack_units,
                f"{s.power_w / 1e3:.1f}",
                f"{s.domestic_mbit_s + s.international_mbit_s:,.0f}",
                f"{s.load_balancer_sessions:,}",
                f"{s.documents_gb / 1e3:.1f}",
                f"{s.database_gb / 1e3:.2f}",
            )
            for p in plan.phases
            for s in p.sites
        ],
        right=(0, 2, 3, 4, 5, 6, 7, 8),
    )
    table(
        "Cost, rupiah" + (" (indicative: prices without a quotation)" if plan.cost.indicative else ""),
        ("year", "rent", "setup", "of which supporting", "VAT", "total"),
        [
            (y.year, *(f"{v:,}" for v in (y.rent_idr, y.setup_idr, y.supporting_idr, y.vat_idr, y.total_idr)))
            for y in plan.cost.years
        ]
        + [("all", "", "", "", f"{plan.cost.vat_idr:,}", f"{plan.cost.total_idr:,}")],
        right=(1, 2, 3, 4, 5),
    )
    quantiles = (("P50", plan.cost.p50_idr), ("P80", plan.cost.p80_idr), ("P95", plan.cost.p95_idr))
    out.print("cost of the demand as drawn: " + ", ".join(f"{q} {v:,}" for q, v in quantiles), markup=False)
    show_alternatives(plan)
    show_people(plan)
    if plan.stress:
        table(
            "Stress scenarios against the leased capacity (predicted); `oss plan --scenario NAME` for more",
            ("scenario", "phase", "site", "calls/s", "NIB/day", "let in", "workers", "needed", ""),
            [
                (
                    s.id,
                    s.phase,
                    s.site,
                    f"{s.calls_per_s:,.0f}",
                    f"{s.registrations_per_day:,.0f}",
                    f"{s.served:.0%}",
                    s.workers,
                    s.workers_needed,
                    s.detail_en,
                )
                for s in plan.stress
            ],
            right=(1, 3, 4, 5, 6, 7),
        )
    for row in plan.sensitivity:
        if row.input == plan.next_measurement:
            text = f"next measurement worth making, for the {row.name_en}: {row.measure_en}"
            out.print(text, markup=False, soft_wrap=True)
    if plan.hindcast:
        errors = ", ".join(f"{h.period} {h.error:+.0%}" for h in plan.hindcast)
        fitted = f"{plan.hindcast[0].fitted_on[0]}–{plan.hindcast[0].fitted_on[-1]}"
        out.print(f"hindcast, adoption fitted on {fitted} only: {errors}", markup=False)
    for phase in plan.phases:
        for b in phase.bindings:
            if b.rule == "quota":
                text = f"phase {phase.id}: the quota of {b.station} binds: {b.detail_en}"
                out.print(text, markup=False, style="bold red")


WAYS = {
    "plan": "the plan",
    "cvar": "cheapest in the worst draws (CVaR)",
    "least_regret": "least regret",
}
RULES = {"vendor_share": "largest share of a vendor", "lead_time": "order date and lead times", "ceilings": "ceilings"}


def show_alternatives(plan: LeasePlan) -> None:
    """The plan against other ways to lease, and what each of its rules costs."""
    if plan.risk:
        table(
            f"Ways to lease the servers, million rupiah with VAT; {plan.draws:,} draws, shortage at "
            f"Rp{plan.risk.shortage_idr_per_core_month:,} a core and month",
            (
                "way",
                "servers",
                "leases",
                "with shortage, mean",
                f"worst {1 - plan.risk.cvar_level:.0%}",
                "regret",
                "short",
            ),
            [
                (
                    WAYS[c.id] + (" *" if c.id == plan.risk.least_regret else ""),
                    c.servers,
                    *(f"{v / 1e6:,.0f}" for v in (c.lease_idr, c.expected_idr, c.cvar_idr, c.regret_idr)),
                    f"{c.short_share:.1%}",
                )
                for c in plan.risk.choices
            ],
            right=(1, 2, 3, 4, 5, 6),
        )
        words = f"* least of the most that a way costs beyond foresight, over {plan.risk.scenarios} scenarios"
        out.print(f"{words}; short: share of draws in which a server is ever lacking", markup=False, style="dim")
    for cost in plan.rule_costs:
        saved = f"Rp{cost.saving_idr:,}" if cost.saving_idr else "nothing"
        out.print(f"the rule on {RULES[cost.rule]} ({cost.value}) costs {saved}", markup=False)


def show_people(plan: LeasePlan) -> None:
    """Heads by group, and the on-call duties of operations."""
    groups = list(dict.fromkeys(line.group for line in plan.people))
    heads = {(line.group, line.phase): line.heads for line in plan.people}
    table(
        "People",
        ("group", *(f"phase {p.id}" for p in plan.phases)),
        [(group, *(heads.get((group, p.id), "") for p in plan.phases)) for group in groups],
        right=tuple(range(1, 1 + len(plan.phases))),
    )
    for roster in plan.on_call:
        first = ", ".join("+".join(map(str, week)) for week in roster.weeks[:4])
        span = f"{len(roster.weeks)} weeks from {roster.start}, {roster.people} people"
        burden = f"{min(roster.burden):g} to {max(roster.burden):g} weeks each, {roster.rest_weeks} off between"
        out.print(f"on call, phase {roster.phase}: {span}, {burden}; first weeks {first}", markup=False)


def show_stress(result: StressResult) -> int:
    """A scenario at a glance. Exit code 0 when the leased capacity carries it, 1 when it does not."""
    title = f"{result.name_en} (phase {result.phase}, carried by {result.site}): {result.source}"
    out.print(title, style="bold", markup=False)
    facts = (
        f"{result.calls_per_s:,.0f} calls/s, {result.registrations_per_day:,.0f} NIB a day at that pace, "
        f"{result.mbit_s:,.0f} Mbit/s, {result.sessions:,} sessions"
    )
    out.print(facts, markup=False)
    table(
        "Stations (predicted): CPU servers",
        ("station", "installed", "busy", "with retries", "limit", "needed", ""),
        [
            (
                x.station,
                f"{x.installed:,.1f}",
                f"{x.busy:,.2f}",
                f"{x.busy_with_retries:,.2f}",
                f"{x.limit:.0%}",
                f"{x.needed:,.1f}",
                "holds" if x.holds else "OVERLOADED",
            )
            for x in result.stations
        ],
        right=(1, 2, 3, 4, 5),
    )
    grown = f"retries make {result.retry_growth:.2f} calls of each"
    out.print(grown + ("" if result.stable else "; the service collapses under them"), markup=False)
    out.print(f"workers: {result.workers} leased, {result.workers_needed} needed", markup=False)
    if not result.database_fits:
        out.print("no database SKU of the price book carries this on one server", markup=False, style="red")
    for q in result.quotas:
        word = "binds" if q.calls > q.quota else "holds"
        out.print(f"quota of {q.upstream}: {q.calls:,.0f} of {q.quota:,.0f} calls that day: {word}", markup=False)
    if result.share < 1:
        out.print(f"{result.site} is leased to carry {result.share:.0%} of the peak alone", markup=False)
    out.print(f"without overload, {result.served:.0%} of the journeys can be let in", markup=False)
    out.print("the plan's capacity " + ("carries it" if result.holds else "does NOT carry it"), style="bold")
    return Exit.GO if result.holds else Exit.NO_GO


def _count(plan: LeasePlan, names: tuple[str, ...], group: tuple[str, str, str]) -> int:
    standing = set(names)
    return sum(1 for s in plan.servers if s.name in standing and (s.site, s.role, s.sku) == group)


def _calls(plan: LeasePlan, rates: dict[str, float]) -> float:
    return sum(rates[c.id] * sum(v.count for v in c.journey) for c in plan.classes)
