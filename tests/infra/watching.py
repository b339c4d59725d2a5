"""Watches what every process of the machine shows of its command line, to find secrets that pass through one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

EVERY_S = 0.05


@dataclass(slots=True)
class CommandLines:
    """All command lines that were seen, once each."""

    seen: set[bytes] = field(default_factory=set)

    def look(self) -> None:
        """Read them all once more."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.seen.add(entry.read_bytes())
            except OSError:
                continue  # it ended meanwhile

    def showing(self, secrets: list[str]) -> list[str]:
        """The command lines that show one of the secrets."""
        return [line.decode(errors="replace") for line in self.seen if any(s.encode() in line for s in secrets)]


@contextmanager
def command_lines() -> Iterator[CommandLines]:
    """Look again and again until the block ends."""
    lines, stop = CommandLines(), threading.Event()

    def watch() -> None:
        while not stop.wait(EVERY_S):
            lines.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        stop.set()
        thread.join()
