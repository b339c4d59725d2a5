"""The direction of imports, and that the checker would notice one that goes the wrong way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capacity.documents import REPOSITORY

PACKAGES = ("capacity", "infra", "stacks", "loadtests", "oss")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_imports_point_one_way() -> None:
    answer = lint_imports(REPOSITORY)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("capacity/wrong.py", "import infra.paths"),
        ("infra/wrong.py", "import stacks"),
        ("infra/wrong.py", "import capacity.internal"),
        ("infra/wrong.py", "import loadtests"),
        ("loadtests/wrong.py", "import infra.paths"),
        ("stacks/wrong.py", "import loadtests"),
        ("stacks/wrong.py", "import oss"),
    ],
)
def test_an_import_that_goes_the_wrong_way_is_noticed(tmp_path: Path, file: str, line: str) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "capacity" / "internal.py").touch()
    (tmp_path / "infra" / "paths.py").touch()
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / file).write_text(line + "\n")
    answer = lint_imports(tmp_path)
    assert answer.returncode == 1, answer.stdout
    assert "BROKEN" in answer.stdout
