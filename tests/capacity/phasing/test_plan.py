"""The phasing problem of the national plan, and writing an assignment into a plan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from capacity.documents import REPOSITORY, load
from capacity.faults import BadInput, Exit
from capacity.inputs import Inputs, load_inputs
from capacity.phasing import PhasingRules, check, evaluate
from capacity.phasing.demand import phasing_problem
from capacity.phasing.edit import apply_phases, phasing_path, with_phases
from oss import cli

NATIONAL = REPOSITORY / "capacity" / "plans" / "national.yaml"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A copy of the national plan with its tables and rules."""
    shutil.copytree(NATIONAL.parent, tmp_path / "plans")
    shutil.copytree(REPOSITORY / "capacity" / "data", tmp_path / "data")
    return tmp_path / "plans" / "national.yaml"


def _phase_of(inputs: Inputs) -> dict[str, int]:
    return {code: phase.id for phase in inputs.launch.phases for code in phase.provinces}


def test_the_problem_of_the_national_plan() -> None:
    inputs = load_inputs(NATIONAL)
    problem = phasing_problem(inputs)
    check(problem, load(PhasingRules, phasing_path(NATIONAL)), "rules")
    assert len(problem.regions) == 34
    assert problem.launch.shape == (34, 3, 24)
    assert (problem.launch >= 0).all()
    assert np.allclose(problem.carried[:, 1, 1], 0), "nothing is carried into the phase it joins with"
    by_zone = [problem.launch[problem.zone == z, 0].sum(axis=0).argmax() for z in range(3)]
    assert by_zone[0] == by_zone[1] + 1 == by_zone[2] + 2, "the east is busy an hour or two earlier by Jakarta's clock"
    later = problem.launch[:, 1].sum() / problem.launch[:, 0].sum()
    assert 0.5 < later < 2.0
    home = _phase_of(inputs)
    current = evaluate(problem, np.array([home[code] for code in problem.regions]))
    assert sum(current.share) == pytest.approx(1)


def test_only_the_lists_change(plan: Path) -> None:
    text = plan.read_text()
    inputs = load_inputs(plan)
    phase_of = _phase_of(inputs)
    phase_of["ID-AC"], phase_of["ID-JK"] = 1, 2
    apply_phases(inputs, phase_of)
    changed = plan.read_text()
    before, after = text.splitlines(), changed.splitlines()
    assert len(before) == len(after)
    touched = [a for a, b in zip(before, after, strict=True) if a != b]
    assert all("provinces:" in line for line in touched)
    assert _phase_of(load_inputs(plan)) == phase_of
    assert [line for line in after if "#" in line] == [line for line in before if "#" in line], "comments stay"


def test_the_same_assignment_changes_nothing(plan: Path) -> None:
    text = plan.read_text()
    apply_phases(load_inputs(plan), _phase_of(load_inputs(plan)))
    assert plan.read_text() == text


def test_an_assignment_that_is_not_whole_changes_nothing(plan: Path) -> None:
    text = plan.read_text()
    inputs = load_inputs(plan)
    phase_of = _phase_of(inputs)
    del phase_of["ID-AC"]
    with pytest.raises(BadInput, match="province is in no phase"):
        apply_phases(inputs, phase_of)
    assert plan.read_text() == text


FLOW = """a: 1  # kept
phases:
  - {id: 1, provinces: [A, B]}  # first
  - {id: 2, provinces: [C]}
  - {id: 3, provinces: [D]}
"""
BLOCK = """phases:
  - id: 1
    provinces:
      - A  # the first
      - B
    start: x
  - id: 2
    provinces:
    - C

  - id: 3
    provinces: [D]
# end
"""


@pytest.mark.parametrize("text", [FLOW, BLOCK])
def test_flow_and_block_lists(text: str) -> None:
    phase_of = {"A": 1, "B": 2, "C": 2, "D": 1}
    new = yaml.safe_load(with_phases(text, {**phase_of, "E": 3}))
    assert {p["id"]: p["provinces"] for p in new["phases"]} == {1: ["A", "D"], 2: ["C", "B"], 3: ["E"]}
    assert new.get("a") == yaml.safe_load(text).get("a")
    assert with_phases(text, {"A": 1, "B": 1, "C": 2, "D": 3}) == text


def test_long_lists_are_folded() -> None:
    phase_of = {f"ID-{a}{b}": 1 for a in "ABCDE" for b in "ABCDEFG"}
    text = "phases:\n- id: 1\n  provinces: [ID-AA]\n- id: 2\n  provinces: [X]\n- id: 3\n  provinces: [Y]\n"
    new = with_phases(text, {**phase_of, "X": 2, "Y": 3})
    assert max(map(len, new.splitlines())) <= 120
    assert yaml.safe_load(new)["phases"][0]["provinces"] == list(phase_of)


def test_a_plan_without_phases_is_refused() -> None:
    with pytest.raises(BadInput, match="three phases"):
        with_phases("a: 1\n", {})


def test_the_command_shows_and_applies(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["phases", str(plan), "--points", "2", "--json"]) == Exit.GO
    found = json.loads(capsys.readouterr().out)
    assert not found["plan"]["breaks"], "the plan as written keeps its own rules"
    first, *_, last = found["frontier"]
    assert first["mean_wait_days"] < last["mean_wait_days"]
    assert first["largest_step"] > last["largest_step"]
    assert cli.main(["phases", str(plan), "--points", "2", "--apply", str(last["row"])]) == Exit.GO
    assert "provinces moved" in capsys.readouterr().out
    placed = {str(p.id): set(p.provinces) for p in load_inputs(plan).launch.phases}
    assert placed == {k: set(v) for k, v in last["provinces"].items()}
    assert cli.main(["phases", str(plan), "--points", "2", "--apply", "9"]) == Exit.BAD_INPUT
    assert cli.main(["phases", str(plan), "--rules", str(plan.parent / "none.yaml")]) == Exit.BAD_INPUT
