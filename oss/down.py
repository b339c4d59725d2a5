"""Remove an environment: services, platform, the leased servers (erased, with a record, and returned), then the rack.

On a rack it goes on when the cluster is gone already, and nothing of the rack stays on this machine. Records of
erasure are kept.

  oss down local
  oss down production --yes
"""

from __future__ import annotations

import argparse
import sys

from capacity.faults import BadInput, Exit, Fault
from infra.engine.rollout import Rollout, check_environment_name
from infra.paths import cache_dir
from oss.console import err, out
from oss.steps import Step, Steps


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss down`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")
    parser.add_argument("--yes", action="store_true", help="do not ask; a rack never asks")


def run(args: argparse.Namespace) -> int:
    """Do the steps. Exit codes: 0 done, 1 not agreed, 2 bad input, 4 machine lacks, 5 a step failed."""
    rollout = Rollout(check_environment_name(args.environment))
    if not rollout.is_rack and not args.yes and not _agreed(rollout.environment):
        return Exit.NO_GO
    steps = Steps(cache_dir() / "down-steps.json")  # not in the state folder, which goes away
    steps.run([Step(step.name, step.do, step.usual_s) for step in rollout.down()])
    return Exit.GO


def _agreed(environment: str) -> bool:
    if not sys.stdin.isatty():
        remedy = "Run it with --yes when every server of it is to be erased and returned."
        raise BadInput([Fault("", "--yes", "", "there is no terminal to ask on", remedy)])
    out.print(f"This erases and returns every server of {environment}. Type its name to go on: ", end="", markup=False)
    if input().strip() == environment:
        return True
    err.print("nothing was changed")
    return False
