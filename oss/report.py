"""Write the lease-sizing report (Laporan Kebutuhan Sewa) from the lease plan: for the procurement file.

The same figures in three formats: a page that works offline, a tagged PDF, and a spreadsheet with live formulas.

  oss report                              all three in Indonesian, into build/
  oss report --lang en --format pdf       one format, in English
  oss report --compare OLD.lock.yaml      what changed since an older plan, and which input caused it
"""

from __future__ import annotations

import argparse
from pathlib import Path

from capacity.documents import shown
from capacity.faults import BadInput, Exit, Fault
from capacity.launch import plan_path
from capacity.leaseplan import load_lease_plan, lock_path
from capacity.report.compare import changes
from capacity.report.formats import FORMATS, Printer, make, write
from capacity.report.language import LANGUAGES, language
from capacity.report.sources import read_sources
from capacity.report.view import build
from oss.console import out, progress, table


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `oss report`."""
    parser.add_argument("plan", nargs="?", help="the launch plan (default: capacity/plans/national.yaml)")
    parser.add_argument("--lang", choices=LANGUAGES, default="id", help="language of the report (default: id)")
    parser.add_argument("--format", choices=FORMATS, help="one format only (default: all three)")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder to write into (default: build)")
    parser.add_argument("--compare", type=Path, metavar="LOCK", help="print what changed since this older lease plan")


def run(args: argparse.Namespace) -> int:
    """Make every wanted format in memory, then write. Exit codes: 0 done, 2 bad input, 4 no PDF libraries."""
    plan = plan_path(args.plan)
    words = language(args.lang)
    if args.compare:
        return _compare(plan, args)
    if args.out.exists() and not args.out.is_dir():
        raise BadInput([Fault("--out", "", str(args.out), "is not a folder", "Name a folder.")])
    wanted = (args.format,) if args.format else FORMATS
    with Printer("pdf" in wanted) as printer, progress("report") as shows:
        shows.update("reading the lease plan and its inputs")
        report = build(read_sources(plan))
        for text in words.missing(report):
            shows.note(f"no Indonesian for {text!r}; shown in English (capacity/report/plan_texts.yaml)")
        made = make(report, words, wanted, shows, printer)
    stem = f"laporan-kebutuhan-sewa-{plan.stem}-{args.lang}"
    for path in write(args.out, {f"{stem}.{name}": data for name, data in made.items()}):
        out.print(f"written: {shown(path)}", markup=False)
    return Exit.GO


def _compare(plan: Path, args: argparse.Namespace) -> int:
    words = language(args.lang)
    old = load_lease_plan(args.compare, verify=False)
    found = changes(old, load_lease_plan(lock_path(plan)))
    out.print(words.say("compare.title"), style="bold", markup=False)
    if found.inputs:
        out.print(words.say("compare.cause") + ":", markup=False)
        for name in found.named_inputs():
            out.print(f"  {words.text(name)}", markup=False)
    elif found.rows:
        out.print(words.say("compare.no_cause"), markup=False)
    if not found.rows:
        out.print(words.say("compare.none"), markup=False)
        return Exit.GO
    heads = [words.say(f"compare.{name}") for name in ("what", "before", "after", "difference", "why")]
    rows = [tuple(map(words.text, row)) for row in found.rows]
    table(words.say("compare.changed"), tuple(heads), rows, right=(3,))
    return Exit.GO
