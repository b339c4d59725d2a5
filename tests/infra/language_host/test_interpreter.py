"""Which Python runs a project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.language_host.interpreter import Interpreter, choose


@pytest.fixture
def root(tmp_path: Path) -> Path:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return tmp_path


@pytest.mark.parametrize("options", [{"virtualenv": ".venv"}, {"toolchain": "uv"}])
def test_the_named_environment_is_used(root: Path, options: dict[str, str]) -> None:
    chosen = choose(options, root, {"PATH": "/bin", "PYTHONHOME": "/elsewhere"})
    assert chosen.command == str(root / ".venv" / "bin" / "python")
    assert chosen.environment["VIRTUAL_ENV"] == str(root / ".venv")
    assert chosen.environment["PATH"] == f"{root / '.venv' / 'bin'}:/bin"
    assert "PYTHONHOME" not in chosen.environment


def test_without_a_name_the_first_python_on_path_is_used(root: Path) -> None:
    assert choose({}, root, {}).command == "python3"
    assert choose({}, root, {"PULUMI_PYTHON_CMD": "/opt/python"}).command == "/opt/python"


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make setup"):
        choose({"virtualenv": "elsewhere"}, tmp_path, {})


def test_packages_are_listed_with_the_plugins_they_ask_for() -> None:
    found = {package["name"]: package for package in Interpreter(sys.executable, os.environ).installed()}
    asked = found["pulumi_kubernetes"]["plugin"]
    assert asked["name"] == "kubernetes"
    assert asked["version"] == found["pulumi_kubernetes"]["version"]
    assert found["pulumi"]["plugin"] is None
