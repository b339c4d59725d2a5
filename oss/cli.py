"""The `oss` command: finds the subcommand's file, and turns every foreseen error into one message and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from capacity.faults import Exit, OssError

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (what it does, the part of the loop it belongs to)
    "doctor": ("say what this machine has, what it lacks and how to get it", "set-up"),
    "env": ("print the shell settings for working by hand (pulumi, kubectl, locust)", "set-up"),
    "plan": ("demand → sizing → leases: compute the lease plan and write its lock file", "plan"),
    "phases": ("assign provinces to the three phases and show the alternatives", "plan"),
    "explain": ("trace a lease line or a replica count back to the hour, class and rule that bind it", "plan"),
    "fit": ("ask the real scheduler whether the pods fit on the leased servers, whole and after each loss", "plan"),
    "report": ("write the lease-sizing report (Laporan Kebutuhan Sewa)", "plan"),
    "serve": ("the report as a local page on which the plan can be changed (what-if)", "plan"),
    "rack": ("leased servers on this machine: up, down, status", "build"),
    "network": ("write cabling, addresses, firewall, names and the NetBox import", "build"),
    "preview": ("what `up` would change, with the policies, the gate and the cost", "build"),
    "up": ("bring an environment to its lease plan: fleet, playbooks, platform, services", "build"),
    "lease": ("the lease ledger; renew, replace, return or move leased servers", "build"),
    "configure": ("run the playbooks over the fleet", "build"),
    "down": ("remove an environment and everything it left on this machine", "build"),
    "loadtest": ("offer a profile's load and write evidence", "prove"),
    "validate": ("compare predicted with measured; say go or no-go for the phase", "prove"),
    "drill": ("restore a backup, or cut a worker's power under load; evidence for the gates", "prove"),
    "rehearse": ("walk the whole loop on this machine and end with a verdict", "prove"),
}

EXIT_CODES = "\n".join(f"  {code.value:>3}  {code.name.lower().replace('_', ' ')}" for code in Exit)


class _Teaching(argparse.ArgumentParser):
    """Says, with every error, where the command's use stands."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.BAD_INPUT, f"{self.prog}: {message}. `{self.prog} --help` shows what it takes.\n")


def parser() -> argparse.ArgumentParser:
    """The top-level parser, made from the command table alone so that `oss --help` imports nothing else."""
    groups: dict[str, list[str]] = {}
    for name, (summary, group) in COMMANDS.items():
        groups.setdefault(group, []).append(f"  {name:<10} {summary}")
    listing = "\n\n".join(f"{group}:\n" + "\n".join(lines) for group, lines in groups.items())
    top = _Teaching(
        prog="oss",
        usage="oss COMMAND ...",
        description="Launch toolkit for Online Single Submission: plan the leases, build them, prove them under load.",
        epilog=f"commands\n\n{listing}\n\n`oss COMMAND --help` teaches each one.\n\nexit codes:\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("command", choices=sorted(COMMANDS), metavar="COMMAND", help="one of the commands below")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (see `capacity.faults.Exit`)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        parser().print_help()
        return Exit.BAD_INPUT
    name = parser().parse_args(words[:1]).command
    module = importlib.import_module(f"oss.{name}")
    sub = _Teaching(
        prog=f"oss {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.configure(sub)
    try:
        return int(module.run(sub.parse_args(words[1:])))
    except OssError as error:
        print(f"oss {name}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"oss {name}: interrupted; run it again to continue", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.GO


if __name__ == "__main__":
    sys.exit(main())
