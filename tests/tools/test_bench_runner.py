"""The bench runner: a table, a file, and an exit code that says whether every bar holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from capacity.documents import REPOSITORY
from capacity.faults import Exit

ROW: dict[str, Any] = {
    "name": "speed",
    "ours": 20_000,
    "unit": "things/s",
    "peer": "Peer 1.0",
    "peer_value": 100,
    "ratio": 200.0,
    "bar": ">= 100 times the peer",
    "holds": True,
}


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/bench.py", f"--folder={folder}", f"--output={folder / 'bench.json'}", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(folder: Path, name: str, *rows: dict[str, Any], before: str = "") -> None:
    (folder / f"bench_{name}.py").write_text(f"print('not a row')\n{before}\ndef rows():\n    return {list(rows)!r}\n")


def test_rows_are_shown_and_kept(tmp_path: Path) -> None:
    write(tmp_path, "one", ROW)
    write(tmp_path, "two", ROW | {"name": "size", "ratio": None})
    answer = bench(tmp_path)
    assert answer.returncode == Exit.GO
    assert [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())] == ["speed", "size"]
    assert "20,000" in answer.stdout
    assert "2 rows, 0 missed" in answer.stdout


def test_a_missed_bar_fails(tmp_path: Path) -> None:
    write(tmp_path, "one", ROW | {"holds": False})
    assert bench(tmp_path).returncode == Exit.NO_GO


def test_a_benchmark_that_fails_is_no_pass(tmp_path: Path) -> None:
    write(tmp_path, "one", ROW, before="raise RuntimeError('no peer')")
    write(tmp_path, "two", {"name": "half a row"})
    write(tmp_path, "zero")
    answer = bench(tmp_path)
    assert answer.returncode == Exit.NO_GO
    assert "no peer" in answer.stderr
    assert "keys missing: bar" in answer.stderr
    assert [row["holds"] for row in json.loads((tmp_path / "bench.json").read_text())] == [False] * 3


def test_one_can_be_chosen(tmp_path: Path) -> None:
    write(tmp_path, "one", ROW)
    write(tmp_path, "two", ROW | {"holds": False})
    assert bench(tmp_path, "one").returncode == Exit.GO
    answer = bench(tmp_path, "three")
    assert answer.returncode == Exit.BAD_INPUT
    assert "bench_two" in answer.stderr
