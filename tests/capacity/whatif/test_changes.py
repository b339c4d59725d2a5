"""Changes to a plan: typed as people type, refused as `oss plan` would refuse them, at the field they belong to."""

from __future__ import annotations

import datetime as dt

import pytest

from capacity.whatif.changes import BadValues, Given, plan_values
from capacity.whatif.session import WhatIf


def faults(session: WhatIf, given: Given) -> dict[str | None, str]:
    with pytest.raises(BadValues) as found:
        session.check(given)
    return {f.field: str(f.fault) for f in found.value.faults}


def test_nothing_typed_is_the_plan_itself(session: WhatIf) -> None:
    same = session.check({})
    assert not same.values
    assert not same.texts
    assert same.inputs == session.base.inputs


def test_a_value_typed_as_it_stands_is_no_change(session: WhatIf) -> None:
    base = session.base.inputs.launch
    given = {
        "phases[0].start": base.phases[0].start.isoformat(),
        "design.quantile": f"{base.design.quantile * 100:g}",
        "leasing.terms_months": [str(t) for t in base.leasing.terms_months],
        "prices.rise": "0",
    }
    assert not session.check(given).values


@pytest.mark.parametrize(("typed", "expected"), [("95,5", 0.955), ("90", 0.9), ("97.5", 0.975)])
def test_shares_are_typed_in_per_cent_with_comma_or_point(session: WhatIf, typed: str, expected: float) -> None:
    assert session.check({"design.quantile": typed}).inputs.launch.design.quantile == expected


@pytest.mark.parametrize("typed", ["4.000.000", "4,000,000", "4 000 000", "4000000"])
def test_rupiah_may_be_grouped(session: WhatIf, typed: str) -> None:
    price = session.base.inputs.prices[0]
    changed = session.check({f"prices[{price.id}].monthly_rent": typed})
    found = next(p for p in changed.inputs.prices if p.id == price.id)
    assert found.monthly_rent == 4_000_000
    assert found.quotation is None
    assert found.estimate
    assert changed.comments_kept
    assert list(changed.texts) == [session.base.inputs.launch.tables.prices]


def test_a_moved_province_leaves_its_phase(session: WhatIf) -> None:
    moved = session.check({"province.ID-JB": "1"})
    assert "ID-JB" in moved.inputs.launch.phases[0].provinces
    assert "ID-JB" not in moved.inputs.launch.phases[2].provinces
    assert set(plan_values(session.base, moved.values)) == {"phases[0].provinces", "phases[2].provinces"}


def test_comments_and_every_other_line_stay(session: WhatIf) -> None:
    changed = session.check({"phases[1].start": "2018-11-12"})
    before, after = session.base.plan.text.splitlines(), changed.texts["national.yaml"].splitlines()
    assert changed.comments_kept
    assert len(before) == len(after)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        ("    start: 2018-11-05", "    start: 2018-11-12")
    ]


def test_all_rents_rise_but_those_typed_on_their_own(session: WhatIf) -> None:
    own, other = session.base.inputs.prices[:2]
    changed = session.check({"prices.rise": "-10", f"prices[{own.id}].monthly_rent": "1"})
    rents = {p.id: p.monthly_rent for p in changed.inputs.prices}
    assert rents[own.id] == 1
    assert rents[other.id] == round(other.monthly_rent * 0.9)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"phases[1].start": "2018-08-01"}, "phases[1].start", "the phases overlap"),
        ({"phases[1].start": "soon"}, "phases[1].start", "valid date"),
        ({"phases[0].start": ""}, "phases[0].start", "valid date"),
        ({"roles[2].redundancy": "two"}, "roles[2].redundancy", "valid integer"),
        ({"roles[2].redundancy": "-1"}, "roles[2].redundancy", "greater than or equal to 0"),
        ({"demand.surge.half_life_days.p50": "9999"}, "demand.surge.half_life_days.p10", "quantiles must rise"),
        ({"leasing.terms_months": []}, "leasing.terms_months", "at least 1 item"),
        ({"endpoints[0].slo_p95_ms": "0,1"}, "endpoints[0].slo_p95_ms", "no number of servers can meet it"),
        ({"province.ID-JB": "9"}, "province.ID-JB", "no such phase"),
        ({"design.quantile": "100"}, "design.quantile", "less than 1"),
        ({"prices.rise": "-95"}, "prices.rise", "no change of price"),
        ({"seed": "1"}, None, "cannot be changed here"),
    ],
)
def test_a_wrong_value_is_a_fault_at_its_field(session: WhatIf, given: Given, field: str | None, words: str) -> None:
    assert words in faults(session, given)[field]


def test_a_wrong_price_is_a_fault_at_its_offer(session: WhatIf) -> None:
    name = f"prices[{session.base.inputs.prices[5].id}].monthly_rent"
    assert "valid integer" in faults(session, {name: "cheap"})[name]


def test_every_fault_is_named_at_once(session: WhatIf) -> None:
    both = faults(session, {"roles[2].redundancy": "two", "design.headroom": "0"})
    assert set(both) == {"roles[2].redundancy", "design.headroom"}


def test_dates_are_days(session: WhatIf) -> None:
    assert session.check({"phases[2].start": "2019-03-04"}).inputs.launch.phases[2].start == dt.date(2019, 3, 4)
