"""Bring an environment to its lease plan: deliver (on a rack), lease, configure, platform, services.

Every step looks before it acts: a second run changes nothing it need not, and a run after Ctrl-C or a kill continues.
Without a stack file an environment is a rack of that name on this machine.

  oss up local                    the rack of this machine, at its phase
  oss up local --phase 2          move it to phase 2; what stands is left alone
  oss up production --only fleet  one layer; asks before it changes anything
"""

from __future__ import annotations

import argparse
import sys

from capacity.faults import BadInput, Exit, Fault
from infra.engine.rollout import Rollout, check_environment_name
from infra.paths import state_dir
from oss.console import err, out, progress
from oss.preview import show
from oss.steps import Step, Steps


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss up`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")
    parser.add_argument("--phase", type=int, choices=(1, 2, 3), help="move the environment to this phase first")
    parser.add_argument("--only", choices=("fleet", "configure", "platform", "services"), help="do one part alone")
    parser.add_argument("--yes", action="store_true", help="do not ask; a rack never asks")


def run(args: argparse.Namespace) -> int:
    """Do the steps. Exit codes: 0 done, 2 bad input, 4 machine lacks, 5 a step failed, 130 interrupted."""
    rollout = Rollout(check_environment_name(args.environment))
    with progress("phase") as shown:
        rollout.choose(args.phase, shown)
    if not rollout.is_rack and not args.yes and not _agreed(rollout, args.only):
        return Exit.NO_GO
    steps = Steps(state_dir(args.environment) / "steps.json")
    steps.run([Step(step.name, step.do, step.usual_s) for step in rollout.steps(args.only)])
    return Exit.GO


def _agreed(rollout: Rollout, only: str | None) -> bool:
    if not sys.stdin.isatty():
        remedy = "Look at `oss preview`, then run it with --yes."
        raise BadInput([Fault("", "--yes", "", "there is no terminal to ask on", remedy)])
    with progress("preview") as shown:
        previews = rollout.preview([only] if only and only != "configure" else ["fleet"], shown)
    show(previews, rollout)
    out.print(f"\nApply this to [bold]{rollout.environment}[/bold]? Only `yes` goes on: ", end="")
    if input().strip() == "yes":
        return True
    err.print("nothing was changed")
    return False
