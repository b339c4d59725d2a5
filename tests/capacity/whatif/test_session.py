"""A changed plan is the plan that `oss plan` makes of the exported files: the same to the rupiah, and to the byte."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from capacity.faults import BadInput
from capacity.inputs import load_inputs
from capacity.leaseplan import lock_path
from capacity.planner import make_plan, solve
from capacity.progress import Silent
from capacity.whatif.changes import Given
from capacity.whatif.difference import difference
from capacity.whatif.export import packed, plan_text
from capacity.whatif.session import Outcome, WhatIf

CHANGES: dict[str, Given] = {
    "demand": {"province.ID-JB": "1", "phases[2].start": "2019-04-08"},
    "surge": {"demand.surge.first_day_multiple.p50": "4,5", "endpoints[5].slo_p95_ms": "400"},
    "leases": {"roles[2].redundancy": "2", "leasing.terms_months": ["12", "24"]},
    "prices": {"prices.rise": "12,5", "supporting[bandwidth-domestic].monthly_rent": "90000"},
    "certainty": {"design.quantile": "90"},
}


def solved(session: WhatIf, given: Given) -> Outcome:
    return session.solve(session.check(given), Silent())


@pytest.mark.parametrize("name", CHANGES)
def test_the_exported_plan_plans_to_the_same_lock(session: WhatIf, name: str, tmp_path: Path) -> None:
    outcome = solved(session, CHANGES[name])
    with zipfile.ZipFile(io.BytesIO(packed(session.base, outcome.variant))) as archive:
        archive.extractall(tmp_path)
    exported = load_inputs(tmp_path / "plans" / "national.yaml")
    _, again = solve(exported)
    assert again.cost == outcome.plan.cost
    assert again == outcome.plan
    assert again.cost != session.plan.cost
    if name == "certainty":  # once with its studies, which take longest
        assert make_plan(exported) == session.whole(outcome)
    if set(outcome.variant.texts) == {"national.yaml"}:  # then the YAML alone is enough, in the place of the plan
        assert (tmp_path / "plans" / "national.yaml").read_text() == plan_text(session.base, outcome.variant)


@pytest.mark.parametrize(
    ("given", "untouched"),
    [
        ({"prices.rise": "3"}, {"peaks", "_sites_sized", "endpoint_predictions", "weekly_roster"}),
        ({"supporting[rack-42u].monthly_rent": "7"}, {"peaks", "_sites_sized", "cover", "endpoint_predictions"}),
        ({"roles[2].redundancy": "0"}, {"peaks", "draw_inputs"}),
        ({"endpoints[3].slo_p95_ms": "590"}, {"peaks", "draw_inputs", "weekly_roster"}),
        ({"demand.surge.half_life_days.p50": "16"}, {"world"}),
    ],
)
def test_a_change_recomputes_only_what_it_touches(session: WhatIf, given: Given, untouched: set[str]) -> None:
    session.memo.computed.clear()
    solved(session, given)
    assert not untouched & set(session.memo.computed)


def test_new_rents_come_first_with_the_old_lines(session: WhatIf) -> None:
    solved(session, {})
    early: list[Outcome] = []
    final = session.solve(session.check({"prices.rise": "10"}), Silent(), early.append)
    assert [e.optimal for e in early] == [False]
    assert final.optimal
    assert [line.id for line in early[0].plan.leases] == [line.id for line in session.plan.leases]
    assert session.plan.cost.total_idr < final.plan.cost.total_idr <= early[0].plan.cost.total_idr
    session.solve(session.check({"roles[2].redundancy": "0"}), Silent(), early.append)
    assert len(early) == 1


def test_the_difference_adds_up(session: WhatIf) -> None:
    outcome = solved(session, {"roles[2].redundancy": "2", "leasing.terms_months": ["12", "24", "36"]})
    found = difference(session.plan, outcome.plan)
    assert found.change == outcome.plan.cost.total_idr - session.plan.cost.total_idr > 0
    assert found.servers_change == len(outcome.plan.servers) - len(session.plan.servers) > 0
    grids = {g.anchor: g for g in found.grids}
    assert grids["lines"].rows
    assert all(len(row.cells) == len(grid.columns) for grid in found.grids for row in grid.rows)


def test_no_change_differs_in_nothing(session: WhatIf) -> None:
    found = difference(session.plan, solved(session, {}).plan)
    assert found.change == found.servers_change == 0
    assert {row.direction for grid in found.grids for row in grid.rows} == {"same"}


def test_a_lock_of_another_model_is_refused(plan: Path) -> None:
    lock = lock_path(plan)
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace("sufficiency: 0.9", "sufficiency: 0.8", 1), encoding="utf-8")
    with pytest.raises(BadInput, match="not what the model computes now"):
        WhatIf(plan).prepare(Silent())
