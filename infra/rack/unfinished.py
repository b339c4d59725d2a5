"""What podman still does for a run that was killed: its commands live on, and nobody holds the rack's lock for them.

A container that such a command makes or removes while the next run looks would be missed, or found half gone.
"""

from __future__ import annotations

from pathlib import Path

from capacity.progress import Progress
from infra.rack.daemons import command_line, processes, wait
from infra.rack.machine import CGROUP_MANAGER
from infra.rack.server import RACK_LABEL

# As long as the longest of these commands may take by itself.
UNFINISHED_SECONDS = 300.0
CHANGING = ("create", "kill", "rm", "run", "start", "stop", "volume")


def wait_for_unfinished(rack: str, progress: Progress) -> None:
    """Until no podman command changes the rack's servers or disks. Raises StepFailed when one does not end."""
    if not unfinished(rack):
        return
    progress.update("waiting for podman, still at work for a run that was killed")
    wait(
        lambda: not unfinished(rack),
        f"podman is still at work on servers of rack {rack}, for a run that was killed: it has not ended",
        "see what holds it (pgrep --list-full podman), end it, then run this again",
        UNFINISHED_SECONDS,
    )


def unfinished(rack: str) -> list[int]:
    """The processes of podman that change servers or disks of the rack now."""
    return [pid for pid in processes() if changes(command_line(pid), rack)]


def changes(words: list[str], rack: str) -> bool:
    """Whether a command line is podman's, as this package calls it, and changes something of the rack."""
    if len(words) < 3 or Path(words[0]).name != "podman" or words[1] != CGROUP_MANAGER or words[2] not in CHANGING:
        return False
    return any(word.startswith(f"oss-{rack}-") or word == f"{RACK_LABEL}={rack}" for word in words[3:])
