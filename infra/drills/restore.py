"""The restore drill: what a restored database lacks of the live one, and how it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capacity.evidence import DrillStep
from capacity.faults import StepFailed
from capacity.progress import Progress
from infra.components.topology import DATABASE_NAME
from infra.drills.evidence import Bound, step_of
from infra.drills.remote import run_there
from infra.outputs import FleetServer
from infra.playbooks.inventory import SshAccess

SCRIPT = Path(__file__).with_name("on_database.py")
VERSION = "15"
START_TIMEOUT_S = 600

Fingerprint = Mapping[str, Sequence[Any]]
"""Table → rows, and the sum of their hashes."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a drill came to: seconds until the copy answered, seconds of work lost, and the tables that differ.

    `nightly`: name of the newest backup that the server made by itself; empty without any.
    """

    steps: tuple[DrillStep, ...]
    rto_s: float
    rpo_s: float
    tables: int
    rows: int
    differing: tuple[str, ...]
    nightly: str = ""

    def bounds(self, rto_s: float, rpo_s: float) -> list[Bound]:
        """Against what they may be."""
        return [
            Bound("RTO", self.rto_s, rto_s, "s"),
            Bound("RPO", self.rpo_s, rpo_s, "s"),
            Bound("tables that differ", len(self.differing), 0, ""),
        ]


def restore(server: FleetServer, access: SshAccess, progress: Progress) -> Restored:
    """Back up, restore beside and compare on a database server; nothing of it stays there.

    Raises StepFailed with the server's name when a step fails. Ctrl-C lets the server clean up first.
    """
    steps: list[DrillStep] = []
    last: dict[str, Any] = {}

    def tell(event: dict[str, Any]) -> None:
        if event["event"] == "doing":
            progress.update(f"{server.name}: {event['what']}")
        elif event["event"] == "step":
            steps.append(step_of(event))
            progress.note(f"{event['name']}: {event['result']} ({event['seconds']:.1f} s)")
        else:
            last.update(event)

    given = {"version": VERSION, "database": DATABASE_NAME, "timeout_s": START_TIMEOUT_S}
    run_there(server, access, SCRIPT, given, tell)
    if last.get("event") == "error":
        raise StepFailed(f"{server.name}: {last['problem']}", last["remedy"])
    if last.get("event") != "result":
        raise StepFailed(f"{server.name}: the drill ended without a result", "Run it again.")
    restored: Fingerprint = last["restored"]
    return Restored(
        steps=tuple(steps),
        rto_s=last["rto_s"],
        rpo_s=last["rpo_s"],
        tables=len(restored),
        rows=sum(rows for rows, _ in restored.values()),
        differing=differing(last["before"], last["after"], restored),
        nightly=last["nightly"],
    )


def differing(before: Fingerprint, after: Fingerprint, restored: Fingerprint) -> tuple[str, ...]:
    """Tables whose restored copy cannot be what the live one was during the backup, each with why.

    A table that nobody wrote to meanwhile must be the same to the last byte. One that was written to must have as many
    rows as the live one had at some moment in between; its checksum is then a moving target.
    """
    found = []
    for table in sorted({*before, *after, *restored}):
        if table not in restored:
            if table in before and table in after:
                found.append(f"{table} is missing")
        elif table not in before and table not in after:
            found.append(f"{table} was not there before")
        else:
            first = before.get(table, after.get(table, ()))
            last = after.get(table, first)
            copy = restored[table]
            if list(first) == list(last):
                if list(copy) != list(first):
                    found.append(f"{table} has {copy[0]} rows for {first[0]}, checksum {copy[1]} for {first[1]}")
            elif not min(first[0], last[0]) <= copy[0] <= max(first[0], last[0]):
                found.append(f"{table} has {copy[0]} rows, the live one had {first[0]} to {last[0]}")
    return tuple(found)
