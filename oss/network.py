"""The network of an environment as files for the people and devices that make it: computed from the lease plan alone.

  oss network production --out build/network     everything below; files of an earlier run are replaced
  oss network production --phase 3               what a later phase will need
  oss network local --out build/rack-network     a rack has addresses and names, but no devices

  addresses.csv     every network, gateway, virtual address, server and device
  firewall.csv      what passes the firewalls of each site, zone by zone
  firewall/*.nft    the same for nftables; what is not named is dropped
  names/*.zone      the domain and its reverse zones (RFC 1035)
  names/health.csv  public names, site by site, and the check that decides who answers to them
  cabling.csv       every cable: label, kind, length class, both ends
  racks/*.svg       every rack's front, unit by unit
  netbox/*.csv      NetBox 4 bulk import, in the order of the numbers

Where a device stands, its ports and its addresses follow from its name, so a later phase adds rows and changes none.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from capacity.documents import write_text
from capacity.faults import BadInput, Exit, Fault
from capacity.leaseplan import load_lease_plan
from infra.engine.rollout import Rollout, check_environment_name
from infra.network.documents import files, network_of, shortfall
from oss.console import out, table

PARTS = ("firewall", "names", "racks", "netbox")
MARK = ".oss-network"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss network`."""
    parser.add_argument(
        "environment", metavar="ENV", nargs="?", default="production", help="production (default), local, …"
    )
    parser.add_argument("--phase", type=int, choices=(1, 2, 3), help="default: the environment's")
    parser.add_argument(
        "--out", type=Path, default=Path("build/network"), metavar="FOLDER", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files. Exit codes: 0 done, 2 bad input: a stale plan, an overlap, a server that fits no rack."""
    rollout = Rollout(check_environment_name(args.environment))
    settings = rollout.settings
    plan = load_lease_plan(settings.lock_file)
    phase = args.phase or settings.phase
    servers = plan.deployment(phase, settings.scale).servers
    network = network_of(
        plan, servers, settings.scale, settings.racks_per_site, settings.supernet, settings.lock_file.name
    )
    made = files(network)
    _write(args.out, made)
    counts = {"servers": len(network.hosts), "devices": len(network.placed) - len(network.hosts)}
    if network.placed:
        counts |= {"racks": len({each.rack for each in network.placed}), "cables": len(network.cables)}
    rows = [(path, str(len(text.splitlines()))) for path, text in sorted(made.items())]
    title = ", ".join(f"{count} {what}" for what, count in counts.items() if count > 0)
    table(f"{args.environment}, phase {phase}: {title}", ("file", "lines"), rows, right=(1,))
    if not network.placed:
        out.print("no racks, cables and firewalls: the servers are containers on one machine", markup=False)
    for line in shortfall(network, phase):
        out.print(f"warning: {line}", markup=False)
    return Exit.GO


def _write(folder: Path, made: dict[str, str]) -> None:
    """Replace what an earlier run wrote; a folder with anything else in it is refused."""
    if folder.exists() and not (folder / MARK).exists() and (not folder.is_dir() or any(folder.iterdir())):
        remedy = "Name an empty folder, or one that `oss network` wrote."
        raise BadInput([Fault("command line", "--out", str(folder), "holds something else", remedy)])
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / MARK, "Written by `oss network`, which replaces what is in here.\n")
    for part in PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
    for file in folder.glob("*.csv"):
        file.unlink()
    for path, text in made.items():
        write_text(folder / path, text)
