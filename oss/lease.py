"""The lease ledger and its day-two decisions: renew, replace, return, move, sign.

A decision is checked against the lease plan, previewed with its cost, asked about, written to
`stacks/Ledger.<env>.yaml` and applied to the fleet. The same command again changes nothing, and goes on where one was
cut off. Runbooks: docs/runbooks. What decisions do, one by one: docs/leases.md.

  oss lease list production                                    what is leased, at what rate, how many days it still has
  oss lease renew production LINE --months 12                  at its rent; --rent and --quotation for another
  oss lease replace production primary-worker-03 --spare primary-worker-09
  oss lease replace production primary-worker-03 --lost "burnt; drives shredded on 3 May, protocol 17"
  oss lease deliver production primary-worker-03               the new machine stands there and its BMC answers
  oss lease return production LINE                             erased, with a record, and given back
  oss lease move production primary-worker-03 --site drc       or --rack primary-rack-04
  oss lease sign production LINE --contract K-17/2018
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import getpass
import json
import subprocess
import sys

from capacity.faults import BadInput, Exit, Fault
from infra.engine.cost import rupiah
from infra.engine.leases import Leases
from infra.engine.rollout import Rollout, check_environment_name
from infra.lease.decided import Decided, free_name
from infra.lease.decisions import Decision, Deliver, Move, Renew, Replace, Return, Sign
from infra.lease.ledger import LedgerRow, months_later, servers_of
from infra.paths import state_dir
from oss.console import err, out, progress, table
from oss.preview import show
from oss.steps import Step, Steps


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss lease`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the ledger, what ends first coming first")
    _environment(listing)
    listing.add_argument("--all", action="store_true", help="servers of later phases as well")
    listing.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    renew = _decision(actions, "renew", "a lease line runs on", "line", "lease line")
    until = renew.add_mutually_exclusive_group(required=True)
    until.add_argument("--until", type=_day, metavar="DATE", help="first day without a lease, as 2021-06-01")
    until.add_argument("--months", type=int, metavar="N", help="so many months beyond the end in the lease plan")
    renew.add_argument(
        "--rent", type=int, metavar="IDR", help="rupiah a server a month, where it is another than before"
    )
    renew.add_argument("--quotation", metavar="REF", help="reference of the quotation of that rent")
    replace = _decision(
        actions, "replace", "a failed server's machine is replaced", "server", "server that keeps its name"
    )
    replace.add_argument(
        "--spare", metavar="SERVER", default="", help="server whose machine takes over; none: on order"
    )
    replace.add_argument("--lost", metavar="REASON", default="", help="the BMC is dead: what became of the drives")
    _decision(actions, "deliver", "a machine that was on order stands", "server", "server that waited for it")
    back = _decision(
        actions, "return", "servers are erased and given back", "name", "server, or lease line for all of it"
    )
    back.add_argument("--lost", metavar="REASON", default="", help="the BMCs are dead: what became of the drives")
    move = _decision(actions, "move", "a server goes to another rack or site", "server", "server")
    where = move.add_mutually_exclusive_group(required=True)
    where.add_argument("--rack", metavar="RACK", default="", help="rack it stands in from now on")
    where.add_argument("--site", metavar="SITE", default="", help="site it goes to, under a new name")
    sign = _decision(actions, "sign", "a lease line has a signed contract", "line", "lease line")
    sign.add_argument("--contract", metavar="NUMBER", required=True, help="the contract's number")


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 done, 1 refused or not agreed to, 2 bad input, 5 a step failed, 130 interrupted."""
    rollout = Rollout(check_environment_name(args.environment))
    rollout.expect()
    leases = Leases(rollout)
    if args.action == "list":
        with progress("ledger") as shown:
            rows = leases.rows(args.all, shown)
        _show(rows, args.format)
        return Exit.GO
    decision = _made(args, leases)
    changes = decision is not None and leases.check(decision)
    if not changes:
        err.print("this was decided already; looking whether it is applied", markup=False)
    with leases.proposed(decision if changes else None) as proposal:
        if args.write_only:
            proposal.keep()
            out.print(
                f"written to {leases.file.name}; `oss up {rollout.environment} --only fleet` applies it", markup=False
            )
            return Exit.GO
        with progress("preview") as shown:
            previews = rollout.preview(["fleet"], shown)
        show(previews, rollout)
        if any(preview.refused for preview in previews):
            err.print("refused; nothing was changed", markup=False)
            return Exit.NO_GO
        if not previews[0].changes:
            proposal.keep()
            out.print("nothing to do", markup=False)
            return Exit.GO
        if not args.yes and not _agreed(rollout.environment):
            return Exit.NO_GO
        proposal.keep()
    steps = Steps(state_dir(rollout.environment) / "steps.json")
    steps.run([Step(step.name, step.do, step.usual_s) for step in rollout.steps("fleet")])
    return Exit.GO


def _environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENV", help="production, or a rack's name")


def _decision(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, subject: str, of: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what)
    _environment(parser)
    parser.add_argument(subject, metavar=subject.upper(), help=of)
    parser.add_argument("--by", metavar="NAME", default="", help="who answers for it; default: you, as git knows you")
    parser.add_argument("--reason", metavar="WORDS", default="", help="why, for those who read the ledger later")
    parser.add_argument(
        "--write-only", action="store_true", help="write the decision for review; apply it with `oss up`"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _made(args: argparse.Namespace, leases: Leases) -> Decision | None:
    who = {"by": args.by or _me(), "on": dt.date.today(), "reason": args.reason}
    since = leases.in_force
    match args.action:
        case "renew":
            return Renew(
                line=args.line, until=_until(args, leases), monthly_rent_idr=args.rent, quotation=args.quotation, **who
            )
        case "replace":
            return Replace(server=args.server, spare=args.spare, lost=args.lost, **who)
        case "deliver":
            return Deliver(server=args.server, **who)
        case "return":
            names = servers_of(since, args.name)
            if not names and servers_of(Decided(leases.planned), args.name):
                return None
            if not names:
                remedy = "See `oss lease list`. What was returned is no longer listed, and needs nothing more."
                raise BadInput([Fault("", "NAME", args.name, "the ledger has no such server or lease line", remedy)])
            return Return(servers=names, lost=args.lost, **who)
        case "move":
            return Move(server=args.server, rack=args.rack, site=args.site, name=_name_there(args, leases), **who)
        case _:
            return Sign(line=args.line, contract=args.contract, **who)


def _name_there(args: argparse.Namespace, leases: Leases) -> str:
    """The name of a server at another site: the one that was decided, else the next free one."""
    if not args.site:
        return ""
    for decision in leases.decisions.decisions:
        if isinstance(decision, Move) and (decision.server, decision.site) == (args.server, args.site):
            return decision.name
    known = any(server.name == args.server for server in leases.in_force.plan.servers)
    return free_name(leases.planned, leases.decisions, args.server, args.site) if known else ""


def _until(args: argparse.Namespace, leases: Leases) -> dt.date:
    if isinstance(args.until, dt.date):
        return args.until
    # Of the plan, not of what was decided since: the same command twice renews once.
    lines = {line.id: line for line in (*leases.in_force.plan.leases, *leases.planned.leases)}
    try:
        return months_later(lines[args.line].end, args.months) if args.line in lines else dt.date.max
    except ValueError:
        remedy = "Use --until with a day that the month has."
        raise BadInput([Fault("", "--months", str(args.months), "that month has no such day", remedy)]) from None


def _me() -> str:
    done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or getpass.getuser()


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no date; write it as 2021-06-01") from None


def _show(rows: tuple[LedgerRow, ...], form: str) -> None:
    names = [field.name for field in dataclasses.fields(LedgerRow)]
    if form == "json":
        print(json.dumps([dataclasses.asdict(row) for row in rows], default=str, indent=2))
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerows([names, *([getattr(row, name) for name in names] for row in rows)])
    else:
        listed = [
            (
                row.server,
                row.line,
                row.vendor,
                row.contract or "unsigned",
                rupiah(row.monthly_rent_idr),
                str(row.start),
                str(row.notice),
                str(row.end),
                str(row.days_left),
                row.state,
            )
            for row in rows
        ]
        columns = ("server", "line", "vendor", "contract", "a month", "start", "notice", "end", "days left", "state")
        table("Lease ledger; rents a server, before VAT", columns, listed, right=(4, 8))


def _agreed(environment: str) -> bool:
    if not sys.stdin.isatty():
        remedy = "Look at the preview above, then run it with --yes; or with --write-only, for review."
        raise BadInput([Fault("", "--yes", "", "there is no terminal to ask on", remedy)])
    out.print(f"\nDecide and apply this to [bold]{environment}[/bold]? Only `yes` goes on: ", end="")
    if input().strip() == "yes":
        return True
    err.print("nothing was changed")
    return False
