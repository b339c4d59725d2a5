"""Every policy refuses what it is for, in words that name the remedy, and lets a sound fleet pass."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import Fault
from capacity.leaseplan import Binding, FirewallRule, LeasePlan, Role, Scale
from infra.engine.rack import rack_spec
from infra.lease.inputs import server_inputs
from infra.lease.model import BmcPlace, LeaseTerms
from infra.network.addresses import address_plan
from infra.policies.facts import Placed, Situation, declared, judged_on, placed
from infra.policies.rules import NOTICE_DAYS, POLICIES, Remark, judge, notice_band
from tests.infra import plans

DAY = dt.date(2018, 7, 2)
HASH = "sha256:" + "a" * 64
TWO_OF_EACH: dict[Role, int] = {"edge": 2, "control": 3, "worker": 4, "database": 2}
PLAN = plans.plan(TWO_OF_EACH, sites=("primary", "drc"))


def fleet(plan: LeasePlan = PLAN, phase: int = 1, racks: int = 2) -> tuple[Placed, ...]:
    deployment = plan.deployment(phase, "national")
    addresses = address_plan(plan, "national", "")
    place = BmcPlace(url="https://10.0.0.1", system="1")
    return declared(server_inputs(plan, deployment.servers, "test", addresses, lambda _: place, racks))


def situation(plan: LeasePlan = PLAN, today: dt.date = DAY, phase: int = 1, scale: Scale = "national") -> Situation:
    return Situation(plan, phase, scale, today, HASH)


def found(servers: tuple[Placed, ...], at: Situation, level: str = "mandatory") -> dict[str, list[Remark]]:
    out: dict[str, list[Remark]] = {}
    for remark in judge(servers, at):
        if remark.level == level:
            assert remark.problem
            assert remark.remedy.endswith(".")
            out.setdefault(remark.policy, []).append(remark)
    return out


def test_a_fleet_as_planned_passes() -> None:
    assert found(fleet(), situation()) == {}
    assert set(found(fleet(), situation(), "advisory")) == {"quotation", "contract"}


def test_policies_have_names_of_their_own() -> None:
    assert len({policy.id for policy in POLICIES}) == len(POLICIES)
    assert all((policy.of_server is None) != (policy.of_fleet is None) for policy in POLICIES)


def changed(server: Placed, **values: object) -> Placed:
    return replace(server, leases=tuple(line.model_copy(update=values) for line in server.leases))


def test_past_the_end_of_its_lease() -> None:
    first, *rest = fleet()
    ended = changed(first, end=DAY)
    assert "today is 2018-07-02" in found((ended, *rest), situation())["lease-end"][0].problem
    short = changed(first, end=plans.END - dt.timedelta(days=1))
    assert "before phase 1 does" in found((short, *rest), situation())["lease-end"][0].problem
    assert found(fleet(), situation(today=plans.END))["lease-end"]


def test_a_gap_between_two_leases() -> None:
    first, *rest = fleet()
    line = first.leases[0]
    again = line.model_copy(update={"id": line.id, "start": dt.date(2019, 2, 1)})
    gap = replace(first, leases=(line.model_copy(update={"end": dt.date(2019, 1, 1)}), again))
    assert "no lease from 2019-01-01" in found((gap, *rest), situation())["lease-end"][0].problem
    assert not found((replace(gap, leases=(line, again)), *rest), situation())


def test_not_leased_yet_is_a_warning() -> None:
    first, *rest = fleet()
    late = changed(first, start=dt.date(2018, 9, 1))
    assert not found((late, *rest), situation())
    assert "2018-09-01" in found((late, *rest), situation(), "advisory")["lease-start"][0].problem


@pytest.mark.parametrize("missing", ["environment", "site", "role", "rack", "leases", "tags"])
def test_untagged(missing: str) -> None:
    properties = {
        "server": "primary-edge-01",
        "environment": "test",
        "site": "primary",
        "role": "edge",
        "rack": "primary-rack-01",
        "tags": dict(fleet()[0].tags),
        "leases": [line.model_dump(mode="json", by_alias=True) for line in fleet()[0].leases],
    }
    first, *rest = fleet()
    assert placed(properties) == first
    server = placed({key: value for key, value in properties.items() if key != missing}, "primary-edge-01")
    remark = found((server, *rest), situation())["untagged"][0]
    assert remark.subject == "primary-edge-01"
    assert missing.removesuffix("s") in remark.problem


def test_a_line_that_is_no_ledger_entry_is_named_by_its_key() -> None:
    _, *rest = fleet()
    properties = {"environment": "t", "site": "primary", "role": "edge", "rack": "r", "leases": [{"id": "x"}]}
    remark = found((placed(properties, "n"), *rest), situation())["untagged"][0]
    assert "leases[0].vendor" in remark.problem


def test_a_contract_that_the_plan_does_not_know() -> None:
    first, *rest = fleet()
    remark = found((changed(first, id="made-up"), *rest), situation())["untagged"][0]
    assert "made-up is not in the lease plan" in remark.problem


def test_unpriced() -> None:
    first, *rest = fleet()
    assert "no rent" in found((changed(first, monthly_rent_idr=0), *rest), situation())["unpriced"][0].problem


@given(st.sets(st.integers(0, 21), max_size=21))
def test_a_role_below_its_n_plus_one(gone: set[int]) -> None:
    """Exactly the site's roles that lost a server are named, with both counts."""
    servers = fleet()
    left = tuple(server for number, server in enumerate(servers) if number not in gone)
    lost = {f"{servers[n].site}.{servers[n].role}" for n in gone if n < len(servers)}
    assert {remark.subject for remark in found(left, situation()).get("n-plus-one", [])} == lost


def test_a_signed_line_is_not_counted() -> None:
    first, *rest = fleet()
    unsigned = found(fleet(), situation(), "advisory")["contract"][0]
    assert "8 of 8 lease lines have no signed contract" in unsigned.problem
    ours = tuple(changed(s, contract="K-1/2018") if s.leases == first.leases else s for s in (first, *rest))
    assert "7 of 8" in found(ours, situation(), "advisory")["contract"][0].problem
    assert "contract" not in found(fleet(), situation(scale="rack"), "advisory")


def test_the_models_own_count_decides_for_the_nation() -> None:
    binding = Binding(
        subject="servers.primary.worker", value=6, rule="n_plus_k", detail_id="", detail_en="40 cores: 5 + 1 spare"
    )
    phases = (PLAN.phases[0].model_copy(update={"bindings": (binding,)}), *PLAN.phases[1:])
    remarks = found(fleet(), situation(PLAN.model_copy(update={"phases": phases})))["n-plus-one"]
    assert [remark.subject for remark in remarks] == ["primary.worker"]
    assert "4 worker servers, and phase 1 needs 6 (40 cores: 5 + 1 spare)" in remarks[0].problem


def test_a_database_beside_its_replica() -> None:
    remarks = found(fleet(racks=1), situation())["database-racks"]
    assert [remark.subject for remark in remarks] == ["drc-rack-01", "primary-rack-01"]
    assert "primary-database-01 and primary-database-02" in remarks[1].problem


def test_a_rack_on_one_machine_is_judged_by_its_own_plan() -> None:
    plan = plans.plan()
    addresses = address_plan(plan, "rack", "10.97.0.0/16")
    spec = rack_spec("test", plan, plan.deployment(1, "rack"), addresses)
    place = BmcPlace(url=spec.bmc_url, system="1")
    inputs = server_inputs(plan, plan.deployment(1, "rack").servers, "test", addresses, lambda _: place, 2)
    day = judged_on(None, plan, 1, "rack", dt.date(2030, 1, 1))
    at = Situation(plan, 1, "rack", day, HASH)
    assert found(declared(inputs), at) == {}
    assert set(found(declared(inputs)[1:], at)) == {"n-plus-one"}


@pytest.mark.parametrize(
    ("source", "port", "refused"),
    [("internet", 22, True), ("any", 6443, True), ("ops", 22, False), ("internet", 443, False)],
)
def test_open_management_ports(source: str, port: int, refused: bool) -> None:
    rule = FirewallRule(to_role="edge", source=source, protocol="tcp", ports=(port,), purpose="test")
    network = PLAN.network.model_copy(update={"firewall": (rule,)})
    remarks = found(fleet(), situation(PLAN.model_copy(update={"network": network})))
    assert ("management-ports" in remarks) is refused


def test_another_plan_than_the_one_that_was_planned_and_approved() -> None:
    assert not found(fleet(), replace(situation(), approved_hash=HASH))
    other = "sha256:" + "b" * 64
    assert "was approved" in found(fleet(), replace(situation(), approved_hash=other))["plan-hash"][0].problem
    stale = Fault("lock", "inputs.prices.csv", "", "this input has changed", "Run `oss plan`.")
    assert "prices.csv" in found(fleet(), replace(situation(), stale=(stale,)))["plan-hash"][0].problem


NOTICE = dt.date(2020, 3, 3)


@pytest.mark.parametrize(("days", "band"), [(91, None), (90, 90), (61, 90), (60, 60), (30, 30), (0, 30), (-1, 0)])
def test_notice_in_ninety_sixty_and_thirty_days(days: int, band: int | None) -> None:
    remarks = found(fleet(), situation(today=NOTICE - dt.timedelta(days=days)), "advisory").get("notice", [])
    assert len(remarks) == (0 if band is None else len(PLAN.leases))  # once a line, not once a server
    for remark in remarks:
        assert (f"warning at {band} days" in remark.problem) is bool(band)
        assert ("has passed" in remark.problem) is (days < 0)


@given(st.integers(-400, 400))
def test_warnings_only_come_nearer(days: int) -> None:
    band = notice_band(days)
    assert band in (None, 0, *NOTICE_DAYS)
    assert band is None or band >= days or band == 0
    if band and days > 0:
        assert (notice_band(days - 1) or 0) <= band


def test_a_renewed_line_needs_no_notice() -> None:
    line = PLAN.leases[0]
    renewal = line.model_copy(update={"id": f"{line.id}-again", "renews": line.id})
    plan = PLAN.model_copy(update={"leases": (*PLAN.leases, renewal)})
    told = {r.subject for r in found(fleet(), situation(plan, NOTICE), "advisory")["notice"]}
    assert told == {each.id for each in PLAN.leases} - {line.id}


def test_the_day_that_counts() -> None:
    clock = dt.date(2026, 1, 1)
    assert judged_on(None, PLAN, 1, "national", clock) == clock
    assert judged_on(None, PLAN, 1, "rack", clock) == plans.START
    assert judged_on(DAY, PLAN, 1, "national", clock) == DAY


def test_terms_are_read_as_the_engine_sends_them() -> None:
    """Numbers come as floating point over the wire."""
    line = fleet()[0].leases[0]
    sent = line.model_dump(mode="json", by_alias=True) | {"months": 24.0, "monthlyRentIdr": 9_500_000.0}
    assert LeaseTerms.model_validate(sent) == line
