"""All formats of a report at once: the PDF in a process of its own, since it takes longest; written whole or not."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Literal, get_args

from capacity.documents import shown
from capacity.faults import BadInput, Fault, MachineLacks, StepFailed
from capacity.progress import Progress
from capacity.report.language import Language
from capacity.report.page import render
from capacity.report.pdf import begin, to_pdf, warm
from capacity.report.values import Report
from capacity.report.workbook import to_xlsx

Format = Literal["html", "pdf", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)


class Printer:
    """A process that makes the PDF beside all else. Entered early, it is warm when the page is laid out."""

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted
        self._pool: ProcessPoolExecutor | None = None
        self._printed: Future[bytes] | None = None
        self._others: set[object] = set()

    def __enter__(self) -> Printer:
        if self._wanted:
            self._others = set(multiprocessing.active_children())
            self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=begin)
            self._pool.submit(warm)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._pool:
            return
        if kind:  # nobody waits for the PDF any more
            for process in multiprocessing.active_children():
                if process not in self._others:
                    process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def start(self, page: str) -> None:
        """Begin on the PDF of a page, in the background."""
        if self._pool:
            self._printed = self._pool.submit(to_pdf, page)

    def result(self) -> bytes:
        """The PDF. MachineLacks where this machine cannot make one; StepFailed when its process ended."""
        assert self._printed
        try:
            return self._printed.result()
        except BrokenProcessPool:
            raise StepFailed("the process that makes the PDF ended", "Run it again with --format pdf.") from None


def make(
    report: Report, language: Language, wanted: Sequence[Format], progress: Progress, printer: Printer
) -> dict[Format, bytes]:
    """Each wanted format as bytes. A PDF that this machine cannot make is left out with a note, unless it alone is
    wanted: then MachineLacks."""
    made: dict[Format, bytes] = {}
    progress.update("laying out the page")
    if "pdf" in wanted:
        printer.start(render(report, language))
    if "html" in wanted:
        made["html"] = render(report, language, interactive=True).encode()
    if "xlsx" in wanted:
        progress.update("making the xlsx")
        made["xlsx"] = to_xlsx(report, language)
    if "pdf" in wanted:
        progress.update("making the pdf")
        try:
            made["pdf"] = printer.result()
        except MachineLacks as error:
            if tuple(wanted) == ("pdf",):
                raise
            progress.note(f"no PDF: {error.message}; {error.remedy}")
    return {name: made[name] for name in FORMATS if name in made}


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
