"""Trace a number of the lease plan back to the hour, provinces, class, station and rule that bind it.

oss explain                              what can be explained
oss explain servers.primary.worker       a number of servers (add --phase N for an earlier phase)
oss explain services.api@primary         a number of replicas
oss explain primary-worker-07            one server, or the id of a lease line
oss explain upstream.registry            an upstream's quota
oss explain stress.cowin-hour            what a stress scenario does to the leased capacity
oss explain hour.2019-02-04T10           the demand of one hour (WIB) by class and province, at the median inputs
oss explain sensitivity                  which inputs move load, cost and risk most, and what to measure next
"""

from __future__ import annotations

import argparse

from capacity.assembly.explain import explain, subjects
from capacity.assembly.hours import PREFIX, explain_hour
from capacity.faults import Exit
from capacity.inputs import load_inputs
from capacity.launch import plan_path
from capacity.leaseplan import load_lease_plan, lock_path
from oss.console import out


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss explain`."""
    parser.add_argument("where", nargs="?", metavar="WHERE", help="what to explain; without it, what there is")
    parser.add_argument("--plan", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument("--phase", type=int, help="the phase to explain (default: the last, or a server's first)")
    parser.add_argument("--lang", choices=("id", "en"), default="en", help="language (default en)")


def run(args: argparse.Namespace) -> int:
    """Explain one number. Exit codes: 0 explained, 2 unknown name or stale plan."""
    path = plan_path(args.plan)
    if args.where is not None and args.where.startswith(PREFIX):
        for step in explain_hour(load_inputs(path), args.where, args.lang):
            out.print("  " * step.depth + step.text, markup=False, soft_wrap=True)
        return Exit.GO
    plan = load_lease_plan(lock_path(path))
    if args.where is None:
        for name in subjects(plan):
            out.print(name, markup=False)
        return Exit.GO
    for step in explain(plan, args.where, args.phase, args.lang):
        out.print("  " * step.depth + step.text, markup=False, soft_wrap=True)
    return Exit.GO
