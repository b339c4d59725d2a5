"""Finding evidence files, and the hash that ties evidence to a plan."""

from __future__ import annotations

from pathlib import Path

from capacity.documents import load, shown
from capacity.evidence import Evidence
from capacity.faults import BadInput, Fault


def newest(folder: Path, phase: int, plan_hash: str, kind: str = "load_test") -> Path:
    """The newest evidence of that kind for the phase; that of this very plan before any other. Raises BadInput."""
    found = [(load(Evidence, path), path) for path in sorted(folder.glob("*.json"))]
    fitting = [(e, p) for e, p in found if e.phase == phase and e.kind == kind]
    if not fitting:
        raise BadInput(
            [
                Fault(
                    shown(folder),
                    "",
                    "",
                    f"there is no {kind.replace('_', ' ')} evidence for phase {phase}",
                    f"Run `oss loadtest rehearsal --phase {phase}`, or name a file with --evidence.",
                )
            ]
        )
    return max(fitting, key=lambda item: (item[0].plan_hash == plan_hash, item[0].finished))[1]
