"""`oss loadtest search`: probes by the generator, one after another, and the table of what they found."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from capacity.documents import shown, to_yaml, write_text
from capacity.faults import Exit
from capacity.leaseplan import LeasePlan
from capacity.progress import Progress
from loadtests import running
from loadtests.profiles import find_profile, from_plan
from loadtests.search import BATCHES, WARMUP_SHARE, Found, Probe, judge, probe_profile, search
from loadtests.stations import servers_of
from oss.console import out, table
from oss.target import Target


def find(
    args: argparse.Namespace, plan: LeasePlan, plan_hash: str, target: Target, name: str, logs: Path, progress: Progress
) -> Found:
    """Search with the rules of the profile `--rules-of`; every probe's evidence is kept in `logs/<name>`."""
    rules = find_profile(plan, args.rules_of, shown(args.plan)).thresholds
    folder = logs / name
    made: list[Probe] = []

    def probe(share: float, seconds: float) -> Probe:
        profile = probe_profile(share, seconds, rules)
        one = plan.model_copy(update={"inputs": {}, "loadtests": (profile,)})
        file = folder / "search.lock.yaml"
        write_text(file, to_yaml(one))
        test = from_plan(
            one, shown(args.plan), plan_hash, profile, args.phase, args.scale, args.classes, args.think_time
        )
        rate = test.rates[1].peak_rate
        progress.update(f"probe {len(made) + 1}: {rate:.3g} journeys/s")
        request = running.Request(
            test=test,
            run=f"{name}-{len(made) + 1:02d}",
            plan=file,
            profile=profile.id,
            phase=args.phase,
            scale=args.scale,
            host=target.host,
            evidence_folder=folder,
            log_file=folder / f"{len(made) + 1:02d}.log",
            password=target.password,
            callback_key=target.callback_key,
            ca_file=args.ca or target.ca_file,
            classes=tuple(args.classes),
            seed=args.seed + len(made),
            workers=args.workers,
            timeout_s=args.timeout,
            lateness_bound_ms=args.lateness_bound,
        )
        outcome = running.run(request, target.sources, servers_of(plan.deployment(args.phase, test.scale)), _quiet)
        if outcome.error is not None:
            raise outcome.error
        if outcome.exit_code == Exit.INTERRUPTED:
            raise KeyboardInterrupt
        result = judge(share, seconds, rate, outcome.evidence, test.thresholds)
        made.append(result)
        sure = "" if result.sure else ", not sure"
        progress.note(f"{result.journeys_per_s:.3g} journeys/s: {result.outcome}{sure} {result.reason}".rstrip())
        return result

    found = search(probe, args.start, args.most, args.precision, args.probe_seconds)
    write_text(folder / "search.json", json.dumps(dataclasses.asdict(found), indent=2) + "\n")
    return found


def show(found: Found, folder: Path, as_json: bool = False) -> int:
    """Print the probes and the statement; 0 when some rate keeps the rules."""
    if as_json:
        best = dataclasses.asdict(found.kept) if found.kept else None
        print(json.dumps({"statement": found.statement, "kept": best, "probes": str(folder)}, indent=2))
        return Exit.GO if found.kept is not None else Exit.NO_GO
    rows = [
        (
            f"{p.share:.3g}",
            f"{p.journeys_per_s:.3g}",
            f"{p.calls_per_s:.3g}",
            p.outcome,
            "yes" if p.sure else "no",
            p.reason,
        )
        for p in sorted(found.probes, key=lambda p: p.share)
    ]
    table("Probes", ("of design", "journeys/s", "calls/s", "rules", "sure", "why"), rows, right=(0, 1, 2))
    out.print(found.statement, style="bold", markup=False, soft_wrap=True)
    out.print(f"probes: {shown(folder)}", markup=False, soft_wrap=True)
    return Exit.GO if found.kept is not None else Exit.NO_GO


def arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that only a search takes."""
    group = parser.add_argument_group("search")
    group.add_argument("--rules-of", default="rehearsal", metavar="PROFILE", help="whose rules (default rehearsal)")
    group.add_argument("--start", type=float, default=1.0, metavar="SHARE", help="of the design rate, to begin with")
    group.add_argument("--most", type=float, default=32.0, metavar="SHARE", help="never offer more (default 32)")
    group.add_argument("--precision", type=float, default=0.1, help="stop when this close (default 0.1)")
    group.add_argument(
        "--probe-seconds",
        type=float,
        default=24.0,
        metavar="S",
        help=f"length of a probe: {BATCHES} batches, and {WARMUP_SHARE:.0%}% more to warm up (default 24)",
    )


def _quiet(status: dict[str, object]) -> None:
    """Probes are short: their own lines are not shown."""
