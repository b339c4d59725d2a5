"""Run the playbooks over a fleet that stands: users, firewall, time, cluster, database, edge.

The inventory comes from the fleet stack's outputs; no host is written by hand. A second run changes nothing.

  oss configure local                        everything
  oss configure local --check                what would change; nothing is touched
  oss configure local --limit edge           the servers of one role or name
  oss configure local --tags base            one role
  oss configure local --inventory            the inventory as Ansible reads it; nothing is run
"""

from __future__ import annotations

import argparse
import json

from capacity.faults import Exit
from capacity.leaseplan import load_lease_plan
from infra.engine.rollout import Rollout, check_environment_name
from infra.playbooks import Choice, inventory_of
from infra.playbooks import configure as configure_fleet
from oss.console import out, progress, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss configure`."""
    parser.add_argument("environment", metavar="ENV", help="local, production, or another rack's name")
    parser.add_argument("--check", action="store_true", help="say what would change, and change nothing")
    parser.add_argument(
        "--limit", default="", metavar="HOSTS", help="servers or groups: edge, primary-worker-01, site_drc"
    )
    parser.add_argument(
        "--inventory", action="store_true", help="print the inventory, which holds no secrets, and stop"
    )
    parser.add_argument("--tags", default="", help="roles: base, kubernetes, postgresql, edge")


def run(args: argparse.Namespace) -> int:
    """Run, and list what changed. Exit codes: 0 done, 2 bad input, 4 machine lacks, 5 a task failed."""
    rollout = Rollout(check_environment_name(args.environment))
    with progress("configure") as shown:
        outputs = rollout.outputs(shown)
        plan = load_lease_plan(rollout.settings.lock_file)
        if args.inventory:
            print(json.dumps(inventory_of(args.environment, outputs, plan, shown, rollout.settings), indent=2))
            return Exit.GO
        choice = Choice(args.check, args.limit, args.tags)
        result = configure_fleet(args.environment, outputs, plan, shown, rollout.settings, choice)
    rows = [(server, task) for server, tasks in sorted(result.changed.items()) for task in tasks]
    if rows:
        table("Would change" if args.check else "Changed", ("server", "task"), rows)
    out.print(f"{result} ({result.seconds:.0f} s)", markup=False)
    return Exit.GO
