"""Bring an environment to its lease plan: deliver (on a rack), lease, configure, platform, services.

Every step looks before it acts: a second run changes nothing it need not, and a run after Ctrl-C or a kill continues.
Without a stack file an environment is a rack of that name on this machine.

  oss up local                    the rack of this machine, at its phase
  oss up local --phase 2          move it to phase 2; what stands is left alone
  oss up production --only fleet  one layer; asks before it changes anything
  oss up production --phase 2 --override-gate "restore drill is booked for Friday" --by "Name, office"

A phase starts in production only with its evidence (docs/gates.md): a load test at the plan's rate, a restore drill and
a failover drill. Whoever overrides that is written into the stack file and stays in the stack's outputs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path

from capacity.documents import validate, write_text
from capacity.faults import BadInput, Exit, Fault
from infra.engine.failures import EngineNoGo
from infra.engine.rollout import Rollout, check_environment_name
from infra.engine.stack_files import stack_file
from infra.engine.workspace import LAYERS
from infra.paths import state_dir
from infra.settings import GateOverride
from oss.console import err, out, progress
from oss.preview import show
from oss.steps import Step, Steps

OVERRIDE_DAYS = 7


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss up`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")
    parser.add_argument("--phase", type=int, choices=(1, 2, 3), help="move the environment to this phase first")
    parser.add_argument("--only", choices=("fleet", "configure", "platform", "services"), help="do one part alone")
    parser.add_argument("--override-gate", metavar="REASON", help="start the phase without its evidence, and say why")
    parser.add_argument(
        "--by", metavar="NAME", help=f"who answers for that; it counts for {OVERRIDE_DAYS} days (oss:gateOverride)"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask; a rack never asks")


def run(args: argparse.Namespace) -> int:
    """Do the steps.

    Exit codes: 0 done, 1 refused by a policy or the gate, or not agreed to, 2 bad input, 4 machine lacks,
    5 a step failed, 130 interrupted.
    """
    rollout = Rollout(check_environment_name(args.environment))
    files = [stack_file(args.environment, layer) for layer in LAYERS]
    before = {file: file.read_text(encoding="utf-8") if file.exists() else None for file in files}
    override = _override(args, args.phase or rollout.settings.phase)
    with progress("phase") as shown:
        rollout.choose(args.phase, shown)
        if override:
            rollout.override_gate(override, shown)
    try:
        if not rollout.is_rack and not args.yes and not _agreed(rollout, args.only):
            _as_before(before)
            return Exit.NO_GO
        steps = Steps(state_dir(args.environment) / "steps.json")
        steps.run([Step(step.name, step.do, step.usual_s) for step in rollout.steps(args.only)])
    except EngineNoGo:
        _as_before(before)
        raise
    return Exit.GO


def _as_before(files: Mapping[Path, str | None]) -> None:
    """The phase was not let start: the stack files say again where the stacks stand."""
    for file, text in files.items():
        if text is None:
            file.unlink(missing_ok=True)
        else:
            write_text(file, text)


def _override(args: argparse.Namespace, phase: int) -> GateOverride | None:
    if args.override_gate is None and args.by is None:
        return None
    given = {"phase": phase, "by": args.by or "", "reason": args.override_gate or ""}
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=OVERRIDE_DAYS)
    return validate(GateOverride, given | {"until": until}, "--override-gate, --by")


def _agreed(rollout: Rollout, only: str | None) -> bool:
    if not sys.stdin.isatty():
        remedy = "Look at `oss preview`, then run it with --yes."
        raise BadInput([Fault("", "--yes", "", "there is no terminal to ask on", remedy)])
    with progress("preview") as shown:
        previews = rollout.preview([only] if only and only != "configure" else ["fleet"], shown)
    show(previews, rollout)
    if any(preview.refused for preview in previews):
        err.print("refused; nothing was changed")
        return False
    out.print(f"\nApply this to [bold]{rollout.environment}[/bold]? Only `yes` goes on: ", end="")
    if input().strip() == "yes":
        return True
    err.print("nothing was changed")
    return False
