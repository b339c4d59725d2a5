"""Keeping evidence: the file that later parts read, and beside it the timeline, the page and the JUnit XML."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from capacity.documents import shown, to_json, write_text
from capacity.evidence import Evidence
from capacity.faults import StepFailed
from loadtests.page import Compared, junit, render


def keep(result: Evidence, timeline: str, folder: Path) -> Path:
    """Write `<folder>/<run>.json` and `<run>.timeline.csv`; returns the first.

    When the folder's disk is full or read-only, the evidence goes to the machine's temporary folder or its shared
    memory instead, so that what was measured is not lost; then StepFailed says where it is.
    """
    path = folder / f"{result.run}.json"
    try:
        write_text(path, to_json(result))
        write_text(path.with_suffix(".timeline.csv"), timeline)
    except OSError as error:
        saved = _elsewhere(result, path.name)
        where = (
            f"The evidence is kept as {saved}; make room and move it there." if saved else "Make room, and run again."
        )
        problem = f"evidence {path} cannot be written ({error.strerror}); the verdict was {result.verdict}"
        raise StepFailed(problem, where) from None
    return path


def keep_pages(result: Evidence, timeline: str, place: Path, compared: Sequence[Compared] = ()) -> Path:
    """Write `<run>.html` and `<run>.junit.xml` beside the evidence at `place`; the page. Raises StepFailed."""
    page = place.with_suffix(".html")
    try:
        write_text(page, render(result, timeline, compared))
        write_text(place.with_suffix(".junit.xml"), junit(result))
    except OSError as error:
        problem = f"{shown(page)} cannot be written ({error.strerror})"
        raise StepFailed(problem, "The evidence itself is kept.") from None
    return page


def _elsewhere(result: Evidence, name: str) -> Path | None:
    for folder in (tempfile.gettempdir(), "/dev/shm"):  # noqa: S108 - the last resort
        place = Path(folder, f"oss-evidence-{os.getuid()}")
        try:
            write_text(place / name, to_json(result))
        except OSError:
            continue
        return place / name
    return None
