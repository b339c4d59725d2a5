"""Progress on a terminal (one live line a step) or in a log (a line when something changes), and tables."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

LOG_EVERY_S = 15.0

# A log has no width; tables in it are not folded to that of an unknown terminal.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)


class ConsoleProgress:
    """Shows what a step is doing: rewritten in place on a terminal, at most every 15 s in a log."""

    def __init__(self, label: str, console: Console = err) -> None:
        self._label = label
        self._console = console
        self._live = console.is_terminal
        self._started = time.monotonic()
        self._shown = self._started
        self._what = ""
        self._lock = threading.Lock()

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """Show `what` with a share where it is known."""
        share = f" {done:g}/{total:g}" if done is not None and total else ""
        now = time.monotonic()
        with self._lock:
            self._what = what + share
            if self._live:
                self._line(now)
            elif now - self._shown >= LOG_EVERY_S:
                self._shown = now
                self._console.print(f"  {self._label}: {self._what} ({now - self._started:.0f} s)", markup=False)

    def note(self, message: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._clear()
            self._console.print(f"  {self._label}: {message}", markup=False, style="dim")

    def close(self) -> None:
        """End the live line."""
        with self._lock:
            self._clear()

    def _line(self, now: float) -> None:
        text = f"  {self._label}: {self._what} ({now - self._started:.0f} s)"
        width = self._console.width - 1
        self._console.file.write("\r\x1b[2K" + text[:width])
        self._console.file.flush()

    def _clear(self) -> None:
        if self._live:
            self._console.file.write("\r\x1b[2K")
            self._console.file.flush()


@contextmanager
def progress(label: str) -> Iterator[ConsoleProgress]:
    """A progress line for the time of one step."""
    shown = ConsoleProgress(label)
    try:
        yield shown
    finally:
        shown.close()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> None:
    """Print a table to standard output; `right` names the columns (by number) that are aligned right."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number in right else "left")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    width = out.width if sys.stdout.isatty() else 160
    if title:
        out.print(title, style="bold", width=width, markup=False, highlight=False)
    out.print(made, width=width)
