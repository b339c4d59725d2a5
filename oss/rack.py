"""Leased servers on this machine: system containers, each powered through its own Redfish system.

`up` delivers the servers of the lease plan's phase, switched off; `oss up` powers them on, or any Redfish client does.
A second `up` changes nothing; what a killed run left is continued or, by `down`, removed. `oss up ENV` and
`oss down ENV` call these by themselves.

  oss rack up                        the rack `local`, at the phase of its fleet stack
  oss rack up --name two --supernet 10.92.0.0/16 --phase 2
                                     another rack beside it
  oss rack status                    servers, power, addresses, loopback ports, memory
  oss rack down                      remove servers, networks, processes, data
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from capacity.documents import shown
from capacity.faults import Exit
from capacity.leaseplan import load_lease_plan, lock_path
from capacity.progress import Progress
from infra import rack
from infra.network.addresses import address_plan
from infra.rack import DEFAULT_NAME, RackSpec, RackStatus
from infra.settings import FleetSettings
from oss.console import out, progress, table
from oss.steps import spoken

MIB = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss rack`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="up|down|status")
    up = actions.add_parser("up", help="deliver the servers of the plan, switched off")
    up.add_argument("--supernet", default="", help="the rack's own /16 (default: the stack's, else the plan's)")
    up.add_argument("--phase", type=int, help="phase of the plan (default: the fleet stack's)")
    up.add_argument("--plan", type=Path, help="the launch plan (default: the fleet stack's)")
    up.add_argument("--force", action="store_true", help="remove servers that are on but no longer planned")
    down = actions.add_parser("down", help="remove the rack with all its data")
    status = actions.add_parser("status", help="show what stands; exit code 1 when something is missing")
    status.add_argument("--json", action="store_true", help="for a script")
    for action in (up, down, status):
        action.add_argument("--name", default=DEFAULT_NAME, help=f"the rack's name (default {DEFAULT_NAME})")


def run(args: argparse.Namespace) -> int:
    """Do it. Exit codes: 0 done, 1 incomplete (status), 2 bad input, 4 machine lacks, 5 a step failed."""
    if args.action == "up":
        return _up(args)
    if args.action == "down":
        with progress("rack") as told:
            found = rack.down(args.name, told)
        out.print(f"rack {args.name}: {'removed' if found else 'there was none'}")
        return Exit.GO
    return _status(args.name, args.json)


def planned(name: str, plan_file: Path | None, phase: int | None, supernet: str, told: Progress) -> RackSpec:
    """The rack that the lease plan asks for; what is not given comes from the fleet stack's settings."""
    # Only here: `status` and `down` need neither the engine nor what builds the mirror.
    from infra.engine.rack import rack_spec
    from infra.engine.stack_files import read_settings
    from infra.playbooks.mirror import mounts

    settings = read_settings(FleetSettings, name, "fleet")
    lock = lock_path(plan_file) if plan_file else settings.lock_file
    plan = load_lease_plan(lock)
    deployment = plan.deployment(phase or settings.phase, "rack")
    addresses = address_plan(plan, "rack", supernet or settings.supernet, shown(lock))
    return rack_spec(name, plan, deployment, addresses, mounts(told))


def _up(args: argparse.Namespace) -> int:
    with progress("rack") as told:
        spec = planned(args.name, args.plan, args.phase, args.supernet, told)
        handle = rack.up(spec, told, force=args.force)
    servers = handle.spec.servers
    out.print(f"rack {spec.name}: {len(servers)} servers {'delivered' if handle.changed else 'stand as planned'}")
    out.print(f"  power   {handle.bmc.url}/redfish/v1 (credentials: {handle.bmc.credentials})", soft_wrap=True)
    out.print(f"  ssh     ssh -F {handle.ssh_config} {servers[0].name}" if servers else "", soft_wrap=True)
    return Exit.GO


def _status(name: str, as_json: bool) -> int:
    found = rack.status(name)
    if found is None:
        out.print("null" if as_json else f"there is no rack {name} on this machine")
        return Exit.NO_GO
    if as_json:
        print(json.dumps(_as_data(found), indent=2))
    else:
        _show(found)
    return Exit.GO if found.complete else Exit.NO_GO


def _show(found: RackStatus) -> None:
    rows = [
        (
            s.server.name,
            s.server.role,
            s.server.sku.id,
            "missing" if not s.present else "on" if s.on else "off",
            s.server.address,
            spoken(s.uptime_s) if s.on else "",
            f"{s.memory_bytes / MIB:.0f}" if s.on else "",
            " ".join(s.ports) + (" (older image)" if s.outdated else ""),
        )
        for s in found.servers
    ]
    columns = ("server", "role", "SKU", "power", "address", "up for", "MiB", "on loopback")
    table(f"rack {found.spec.name} ({found.spec.supernet})", columns, rows, right=(6,))
    processes = ", ".join(f"{name} {pid or 'does not run'}" for name, pid in found.processes.items())
    out.print(f"\nmemory of all servers: {found.memory_bytes / MIB:.0f} MiB; processes: {processes}")


def _as_data(found: RackStatus) -> dict[str, object]:
    return {
        "name": found.spec.name,
        "supernet": str(found.spec.supernet),
        "memory_bytes": found.memory_bytes,
        "processes": found.processes,
        "servers": [
            {
                "name": s.server.name,
                "role": s.server.role,
                "sku": s.server.sku.id,
                "present": s.present,
                "on": s.on,
                "address": str(s.server.address),
                "ports": s.ports,
                "uptime_s": s.uptime_s,
                "memory_bytes": s.memory_bytes,
                "outdated": s.outdated,
            }
            for s in found.servers
        ],
    }
