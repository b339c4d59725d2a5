"""How long work tells of itself. Parts take a `Progress`; the command decides how it is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what long work is doing. Calls are cheap, come from any thread, and never raise."""

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """What is being done now; `done` of `total` where that is known."""

    def note(self, message: str) -> None:
        """A line worth keeping: something skipped, reused or noticed."""


class Silent:
    """Progress that shows nothing: for tests and for callers that do not care."""

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Show nothing."""
