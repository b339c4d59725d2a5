"""A copy of the national plan that is solved in a second."""

from __future__ import annotations

import re
from pathlib import Path

from capacity.documents import to_yaml
from capacity.inputs import load_inputs
from capacity.leaseplan import lock_path
from capacity.planner import make_plan
from oss.plan import HEADER
from tests.capacity.nation import copy_of_plan

DRAWS = 400


def small_plan(folder: Path) -> Path:
    """The plan with few draws and its lock; comments and layout as in the national plan."""
    plan = copy_of_plan(folder)
    text = plan.read_text(encoding="utf-8")
    plan.write_text(re.sub(r"(?m)^draws: \d+", f"draws: {DRAWS}", text), encoding="utf-8")
    lock_path(plan).write_text(_lock(plan), encoding="utf-8")
    return plan


_locks: dict[str, str] = {}


def _lock(plan: Path) -> str:
    text = plan.read_text(encoding="utf-8")
    if text not in _locks:
        _locks[text] = to_yaml(make_plan(load_inputs(plan)), HEADER)
    return _locks[text]
