"""Run every benchmark under tests/bench, print one table, write build/bench.json; exit code 1 when a bar is missed.

A benchmark is a file `bench_<name>.py` with `rows()`, a list of mappings with the keys of ROW_KEYS. Each file runs in a
process of its own, one after another, so that no measurement disturbs the next.

  tools/bench.py              all of them
  tools/bench.py simulation   those whose names contain the word
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.text import Text

from capacity.documents import REPOSITORY, shown, write_text
from capacity.faults import Exit
from oss.console import err, out, progress, table

ROW_KEYS = ("name", "ours", "unit", "peer", "peer_value", "ratio", "bar", "holds")
FOLDER = REPOSITORY / "tests" / "bench"
OUTPUT = REPOSITORY / "build" / "bench.json"
TIMEOUT_SECONDS = 1800
_TICK_SECONDS = 0.5
_LAST_LINES = 6
_RUN = "import importlib, json, sys; json.dump(importlib.import_module(sys.argv[1]).rows(), open(sys.argv[2], 'w'))"


def main() -> int:
    """Run, print, write. Exit codes: 0 every bar holds, 1 one is missed or a benchmark failed, 2 none was named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="run only benchmarks whose file names contain one of these")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the benchmarks are")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the rows are written, as JSON")
    arguments = parser.parse_args()
    words, output = arguments.words, arguments.output
    found = sorted(arguments.folder.resolve().glob("bench_*.py"))
    chosen = [path for path in found if not words or any(word in path.stem for word in words)]
    if not chosen:
        print(f"no benchmark is named so; there are {', '.join(path.stem for path in found)}", file=sys.stderr)
        return Exit.BAD_INPUT
    rows: list[dict[str, Any]] = []
    for number, path in enumerate(chosen, start=1):
        err.print(f"[{number}/{len(chosen)}] {path.stem}", style="bold", markup=False)
        rows += _rows(path)
    write_text(output, json.dumps(rows, indent=2) + "\n")
    _show(rows)
    missed = [row for row in rows if not row["holds"]]
    out.print(f"\n{len(rows)} rows, {len(missed)} missed; written to {shown(output)}", markup=False)
    return Exit.NO_GO if missed else Exit.GO


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of one benchmark; a failure is a row that does not hold."""
    with tempfile.TemporaryDirectory() as folder, progress(path.stem) as display:
        answer = Path(folder, "rows.json")
        with (
            Path(folder, "words").open("w+") as said,
            subprocess.Popen(
                [sys.executable, "-c", _RUN, path.stem, str(answer)],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": f"{path.parent}{os.pathsep}{REPOSITORY}"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            end = time.monotonic() + TIMEOUT_SECONDS
            while process.poll() is None:
                if time.monotonic() > end:
                    process.kill()
                display.update("running")
                try:
                    process.wait(_TICK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
            said.seek(0)
            words = said.read().splitlines()[-_LAST_LINES:]
        try:
            rows: list[dict[str, Any]] = json.loads(answer.read_text()) if process.returncode == 0 else []
        except (OSError, ValueError):
            rows = []
    faults = [key for row in rows for key in ROW_KEYS if key not in row]
    if not rows or faults:
        reason = f"keys missing: {', '.join(sorted(set(faults)))}" if faults else " | ".join(words) or "no rows"
        err.print(f"  {path.stem}: exit code {process.returncode}: {reason}", style="red", markup=False)
        return [dict.fromkeys(ROW_KEYS) | {"name": f"{path.stem} failed", "bar": "it runs", "holds": False}]
    return rows


def _show(rows: list[dict[str, Any]]) -> None:
    columns = ["benchmark", "ours", "unit", "peer", "peer's value", "ratio", "bar", "holds"]
    marks = {True: Text("yes", "green"), False: Text("NO", "bold red")}
    cells = [
        [
            row["name"],
            _number(row["ours"]),
            row["unit"] or "",
            row["peer"] or "none",
            _number(row["peer_value"]),
            _number(row["ratio"]),
            row["bar"],
            marks[bool(row["holds"])],
        ]
        for row in rows
    ]
    table("Benchmarks", columns, cells, right=(1, 4, 5))


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
