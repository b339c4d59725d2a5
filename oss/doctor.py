"""Say what this machine has, what it lacks for the whole loop, and how to get it.

oss doctor              a table; exit code 0 when all is there or comes by itself, else 4
oss doctor --install    install and build what is missing (packages as root, Pulumi, Kubernetes)
oss doctor --quiet      say only what is missing
oss doctor --json       the same as JSON, for scripts
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from rich.text import Text

from capacity.faults import Exit
from infra.toolchain import debian, doctor
from infra.toolchain import ensure as ensure_toolchain
from oss.console import out, progress, table

MARKS = {"ok": ("yes", "green"), "later": ("with set-up", "yellow"), "missing": ("NO", "bold red")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss doctor`."""
    parser.add_argument("--install", action="store_true", help="install and build what is missing, then look")
    parser.add_argument("--quiet", action="store_true", help="say only what is missing")
    parser.add_argument("--json", action="store_true", help="print a list of checks as JSON")


def run(args: argparse.Namespace) -> int:
    """Look, after installing when asked. Exit codes: 0 nothing in the way, 4 the machine lacks something."""
    if args.install:
        with progress("set-up") as shown:
            debian.ensure(shown)
            ensure_toolchain(progress=shown)
    checks = doctor.examine()
    lacking = [check for check in checks if check.state == "missing"]
    if args.json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
    elif lacking or not args.quiet:
        _show(lacking if args.quiet else checks, lacking)
    return Exit.MACHINE_LACKS if lacking else Exit.GO


def _show(checks: list[doctor.Check], lacking: list[doctor.Check]) -> None:
    rows = [
        [
            check.name,
            check.needed_for,
            Text(*MARKS[check.state]),
            check.found,
            check.remedy if check.state != "ok" else "",
        ]
        for check in checks
    ]
    table("What this machine has for the launch rehearsal", ["", "needed for", "there", "found", "remedy"], rows)
    coming = sum(check.state == "later" for check in checks)
    if lacking:
        out.print(f"\n{len(lacking)} missing: {', '.join(check.name for check in lacking)}", style="bold red")
    elif coming:
        out.print(f"\nready: `make rehearse` brings the {coming} parts that are not there yet")
    else:
        out.print("\nready: `make rehearse`")
