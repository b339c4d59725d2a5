"""All formats of a report at once: the PDF in a process of its own, since it takes longest; written whole or not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Literal, get_args

from capacity.documents import shown
from capacity.faults import BadInput, Fault, MachineLacks
from capacity.progress import Progress
from capacity.report.language import Language
from capacity.report.page import render
from capacity.report.pdf import to_pdf
from capacity.report.values import Report
from capacity.report.workbook import to_xlsx

Format = Literal["html", "pdf", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)


def make(report: Report, language: Language, wanted: Sequence[Format], progress: Progress) -> dict[Format, bytes]:
    """Each wanted format as bytes. A PDF that this machine cannot make is left out with a note, unless it alone is
    wanted: then MachineLacks."""
    made: dict[Format, bytes] = {}
    with multiprocessing.get_context("spawn").Pool(1, _worker) if "pdf" in wanted else _Nothing() as pool:
        printed: AsyncResult[bytes] | None = None
        if pool:
            progress.update("laying out the page")
            printed = pool.apply_async(to_pdf, (render(report, language),))
        if "html" in wanted:
            progress.update("making the html")
            made["html"] = render(report, language, interactive=True).encode()
        if "xlsx" in wanted:
            progress.update("making the xlsx")
            made["xlsx"] = to_xlsx(report, language)
        if printed:
            progress.update("making the pdf")
            try:
                made["pdf"] = printed.get()
            except MachineLacks as error:
                if tuple(wanted) == ("pdf",):
                    raise
                progress.note(f"no PDF: {error.message}; {error.remedy}")
    return {name: made[name] for name in FORMATS if name in made}


def _worker() -> None:
    # Ctrl-C is the parent's to answer: it ends this process with the pool, and no second traceback is shown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Nothing:
    """Stands for no pool."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def write(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write every file beside its place, then rename them all. BadInput, and nothing changed, where that is refused."""
    paths = tuple(folder / name for name in files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".report-") as beside:
            for name, data in files.items():
                with open(Path(beside) / name, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            for path in paths:
                if path.is_dir():
                    raise IsADirectoryError(f"{shown(path)} is a folder")
            for path in paths:
                os.replace(Path(beside) / path.name, path)
    except OSError as error:
        problem = f"cannot be written to ({error.strerror or error})"
        raise BadInput([Fault("--out", "", str(folder), problem, "Name a folder that you may write to.")]) from None
    return paths
