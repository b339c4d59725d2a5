"""Print the shell settings with which pulumi, kubectl and ssh work on an environment by hand.

eval "$(oss env local)"       then: pulumi preview -s local.fleet; kubectl get nodes
eval "$(oss env production)"  the same for the production stacks
"""

from __future__ import annotations

import argparse
import os
import shlex

from capacity.faults import Exit
from infra.engine.rollout import check_environment_name
from infra.engine.workspace import POLICY_PACK, pulumi_environment
from infra.pki.fleet import kubeconfig_file
from infra.toolchain import ensure
from oss.console import progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss env`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")


def run(args: argparse.Namespace) -> int:
    """Print `export` lines for this shell. Exit codes: 0 done, 2 bad input, 4 machine lacks."""
    environment = check_environment_name(args.environment)
    with progress("set-up") as shown:
        toolchain = ensure(progress=shown)
    settings = toolchain.environment() | pulumi_environment(environment)
    settings["PULUMI_OPTION_POLICY_PACK"] = str(POLICY_PACK)
    settings["KUBECONFIG"] = str(kubeconfig_file(environment))
    for name, value in sorted(settings.items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return Exit.GO
