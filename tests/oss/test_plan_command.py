"""`oss plan`: writes whole or not at all, and says whether the lock is fresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capacity.faults import Exit
from capacity.leaseplan import load_lease_plan
from oss.cli import main
from tests.capacity.nation import copy_of_plan, edit


def test_plan_then_check_then_an_edit_makes_it_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = copy_of_plan(tmp_path)
    lock = plan.with_name("national.lock.yaml")
    assert main(["plan", str(plan), "--draws", "200"]) == Exit.GO
    assert load_lease_plan(lock).draws == 200
    shown = capsys.readouterr().out
    assert "Leased servers" in shown
    assert "hindcast" in shown
    assert main(["plan", str(plan), "--check"]) == Exit.GO
    first = lock.read_bytes()
    assert main(["plan", str(plan), "--draws", "200"]) == Exit.GO
    assert lock.read_bytes() == first

    def move(d: dict[str, Any]) -> None:
        d["phases"][1]["provinces"].remove("ID-JI")
        d["phases"][0]["provinces"].append("ID-JI")

    edit(plan, move)
    assert main(["plan", str(plan), "--check"]) == Exit.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "has changed since the plan was made" in complaint
    assert "oss plan" in complaint
    assert lock.read_bytes() == first


def test_bad_input_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = copy_of_plan(tmp_path)
    lock = plan.with_name("national.lock.yaml")
    lock.write_text("before", encoding="utf-8")

    def spoil(d: dict[str, Any]) -> None:
        d["phases"][1]["start"] = "2018-08-01"
        d["demand"]["busyness"]["p50"] = 99

    edit(plan, spoil)
    assert main(["plan", str(plan)]) == Exit.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "quantiles must rise" in complaint
    assert lock.read_text(encoding="utf-8") == "before"
    assert main(["plan", str(plan), "--draws", "3"]) == Exit.BAD_INPUT
    assert "Use 100 or more" in capsys.readouterr().err


def test_an_impossible_ceiling_is_infeasible_and_names_the_year(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = copy_of_plan(tmp_path)

    def starve(d: dict[str, Any]) -> None:
        d["leasing"]["ceilings"] = [{"year": 2019, "ceiling_idr": 3_000_000_000}]

    edit(plan, starve)
    assert main(["plan", str(plan), "--draws", "200"]) == Exit.INFEASIBLE
    assert "2019" in capsys.readouterr().err
    assert not plan.with_name("national.lock.yaml").exists()


def test_scenario_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = copy_of_plan(tmp_path)
    assert main(["plan", str(plan), "--draws", "200", "--scenario", "cowin-hour"]) == Exit.NO_GO
    assert "does NOT carry it" in capsys.readouterr().out
    assert not plan.with_name("national.lock.yaml").exists()
