"""What holds for every role: its contract is written down, and the linter for production finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from capacity.documents import REPOSITORY

PLAYBOOKS = REPOSITORY / "playbooks"
ROLES = sorted((PLAYBOOKS / "roles").iterdir())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_a_described_option_with_the_same_value(role: Path) -> None:
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    assert set(defaults) == {name for name, option in options.items() if not option.get("required")}
    for name, option in options.items():
        assert option["description"]
        if "default" in option:
            assert defaults[name] == option["default"], name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_tasks_that_handle_secrets_hide_them(role: Path) -> None:
    words = ("credentials", "password", "passwords")
    for file in (role / "tasks").glob("*.yml"):
        for task in yaml.safe_load(file.read_text()):
            text = yaml.safe_dump({key: value for key, value in task.items() if key != "name"})
            if any(f"_{word}" in text for word in words):
                assert task.get("no_log") is True, f"{file}: {task['name']}"


def test_the_linter_finds_nothing_for_production() -> None:
    program = Path(sys.executable).with_name("ansible-lint")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        [program, "--offline", "--profile", "production", "--strict"],
        cwd=PLAYBOOKS,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
