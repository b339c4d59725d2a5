"""Evidence as it lies in a folder."""

from __future__ import annotations

from pathlib import Path

from capacity.documents import load, shown
from capacity.evidence import Evidence
from capacity.faults import BadInput


def read_evidence(folder: Path) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Every evidence file of a folder, and a few words for each file that is none. No folder: no evidence."""
    found, unreadable = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(load(Evidence, path))
        except BadInput as error:
            more = f" and {len(error.faults) - 1} more" if len(error.faults) > 1 else ""
            unreadable.append(f"{shown(path)}: {error.faults[0].path or 'file'} {error.faults[0].problem}{more}")
    return tuple(found), tuple(unreadable)
