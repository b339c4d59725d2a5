"""The national plan for tests: loaded once, varied by copies, never written."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

import yaml

from capacity.documents import REPOSITORY
from capacity.inputs import Inputs, load_inputs
from capacity.launch import Launch

PLAN = REPOSITORY / "capacity" / "plans" / "national.yaml"
DATA = REPOSITORY / "capacity" / "data"


@functools.cache
def national() -> Inputs:
    """The plan as committed."""
    return load_inputs(PLAN)


def varied(**changes: Any) -> Inputs:
    """The national plan with top-level fields replaced."""
    inputs = national()
    return dataclasses.replace(inputs, launch=inputs.launch.model_copy(update=changes))


def with_demand(**changes: Any) -> Inputs:
    """The national plan with fields of `demand` replaced."""
    return varied(demand=national().launch.demand.model_copy(update=changes))


def with_phases(**moves: int) -> Inputs:
    """The national plan with provinces moved, e.g. `with_phases(ID_JI=1)`."""
    launch = national().launch
    to = {code.replace("_", "-"): phase for code, phase in moves.items()}
    phases = tuple(
        p.model_copy(
            update={
                "provinces": tuple(c for c in p.provinces if c not in to) + tuple(c for c, n in to.items() if n == p.id)
            }
        )
        for p in launch.phases
    )
    return varied(phases=phases)


def copy_of_plan(folder: Path) -> Path:
    """The plan and its tables in a folder of their own, with the same layout; the path of the plan."""
    plans = folder / "plans"
    plans.mkdir(parents=True)
    shutil.copytree(DATA, folder / "data")
    shutil.copy(PLAN, plans / PLAN.name)
    return plans / PLAN.name


def edit(path: Path, change: Any) -> None:
    """Load a YAML file, let `change` alter it in place, and write it back."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")


def launch() -> Launch:
    """The launch plan alone."""
    return national().launch
