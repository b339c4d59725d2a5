"""Long work as named steps: each shows its time, and what is left by the times of the last run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capacity.documents import write_text
from capacity.progress import Progress
from oss.console import err, progress

Work = Callable[[Progress], str | None]


@dataclass(frozen=True, slots=True)
class Step:
    """A named piece of work; `do` returns a few words on what came of it."""

    name: str
    do: Work
    usual_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """A finished step: its name, its wall-clock seconds and what came of it."""

    name: str
    seconds: float
    result: str


@dataclass
class Steps:
    """Runs steps in order. Times of earlier runs, kept in `memory`, give the estimate of what is left."""

    memory: Path
    done: list[Done] = field(default_factory=list)

    def run(self, steps: Sequence[Step]) -> list[Done]:
        """Run all; the first error ends the run and passes through, after saying which step it was."""
        known = self._known()
        for number, step in enumerate(steps, start=1):
            left = sum(known.get(s.name, s.usual_s) for s in steps[number - 1 :])
            err.print(f"[{number}/{len(steps)}] {step.name} (about {spoken(left)} left)", markup=False, style="bold")
            started = time.monotonic()
            try:
                with progress(step.name) as shown:
                    result = step.do(shown) or "done"
            except BaseException:
                err.print(f"      stopped in step {step.name!r} after {time.monotonic() - started:.1f} s", markup=False)
                raise
            seconds = time.monotonic() - started
            self.done.append(Done(step.name, seconds, result))
            err.print(f"      {result} ({seconds:.1f} s)", markup=False, style="dim")
            known[step.name] = seconds
            write_text(self.memory, json.dumps(known, indent=1))
        return self.done

    def _known(self) -> dict[str, float]:
        try:
            stored = json.loads(self.memory.read_text(encoding="utf-8"))
            return {str(k): float(v) for k, v in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def spoken(seconds: float) -> str:
    """`75` → `1 min 15 s`."""
    whole = max(0, round(seconds))
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
