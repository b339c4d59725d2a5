"""Progress that keeps what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Notes:
    """Every state and note, in order."""

    lines: list[str] = field(default_factory=list)

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        self.lines.append(what)

    def note(self, message: str) -> None:
        self.lines.append(message)
