"""Every port once, every server on both switches and both feeds, and nothing that stands is ever re-plugged."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.faults import BadInput
from capacity.leaseplan import LeasePlan, Role
from capacity.networkplan import RackSlot
from infra.network.cabling import Cable
from infra.network.documents import cabling_rows
from infra.network.picture import rack_svg
from tests.infra import plans
from tests.infra.network import sample

COUNTS = st.fixed_dictionaries(
    {
        "edge": st.integers(1, 3),
        "control": st.integers(1, 3),
        "worker": st.integers(1, 30),
        "database": st.integers(1, 4),
        "storage": st.integers(1, 4),
        "ops": st.integers(1, 3),
    }
)
RACKS = st.integers(2, 4)
quick = settings(max_examples=20, deadline=None)


def of(found: tuple[Cable, ...], device: str, kind: str) -> list[Cable]:
    return [cable for cable in found if cable.kind == kind and device in (cable.a.device, cable.b.device)]


@quick
@given(COUNTS, RACKS)
def test_a_port_and_a_label_are_used_once(counts: dict[Role, int], racks: int) -> None:
    found = sample.network(sample.plan(counts), racks=racks).cables
    ends = Counter(end for cable in found for end in (cable.a, cable.b))
    assert max(ends.values()) == 1
    assert len({cable.label for cable in found}) == len(found)


@quick
@given(COUNTS, RACKS)
def test_a_server_has_all_its_cards_on_both_switches_both_feeds_and_its_bmc_out_of_band(
    counts: dict[Role, int], racks: int
) -> None:
    network = sample.network(sample.plan(counts), racks=racks)
    for server in (each for each in network.placed if each.sku):
        data = of(network.cables, server.name, "data")
        switches = Counter(cable.b.device[-1] for cable in data)
        assert switches == {"a": server.nics // 2, "b": server.nics // 2}
        assert {cable.b.device[-1] for cable in of(network.cables, server.name, "power")} == {"a", "b"}
        (oob,) = of(network.cables, server.name, "oob")
        assert (oob.a.port, oob.b.device) == ("bmc", f"{server.site}-oob-{server.rack_number:02d}")


@quick
@given(COUNTS, RACKS)
def test_units_never_overlap_and_stay_inside_the_rack(counts: dict[Role, int], racks: int) -> None:
    network = sample.network(sample.plan(counts), racks=racks)
    taken = Counter((p.rack, unit) for p in network.placed for unit in range(p.bottom, p.bottom + p.units))
    assert max(taken.values()) == 1
    assert all(1 <= unit <= 42 for _, unit in taken)


@quick
@given(COUNTS, RACKS)
def test_a_later_phase_adds_cables_and_changes_none(counts: dict[Role, int], racks: int) -> None:
    made = sample.plan(counts)
    first, last = (sample.network(made, phase, racks) for phase in (1, 3))
    assert set(first.cables) <= set(last.cables)
    assert set(first.placed) <= set(last.placed)


def test_a_database_and_its_replica_share_no_rack_switch_or_feed() -> None:
    network = sample.network(sample.plan())
    one, two = (
        {cable.b.device for cable in network.cables if cable.a.device == f"primary-database-{n:02d}"} for n in (1, 2)
    )
    assert not one & two


def test_a_cable_is_long_enough_and_says_what_it_is() -> None:
    rows = {row["label"]: row for row in cabling_rows(sample.network(sample.plan()).cables)}
    top = rows["PRIMARY-EDGE-01/NIC1"]
    assert (top["from_port"], top["to_device"], top["to_port"]) == ("nic1", "primary-tor-01a", "port33")
    assert (top["medium"], top["length_m"]) == ("dac-passive", "2")  # 9 units are 0.40 m, with slack 1.40 m
    assert rows["PRIMARY-TOR-02A/PORT49"]["length_m"] == "5"  # 4 m up and down, one rack of 0.6 m
    assert rows["PRIMARY-FIREWALL-01/WAN1"]["length_m"] == ""  # the carrier brings it


def test_servers_that_fit_no_rack_are_named_all_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        sample.network(sample.plan({"worker": 40, "control": 6}), racks=2)
    faults = [fault for fault in caught.value.faults if fault.path.startswith("servers.primary")]
    assert {fault.path for fault in faults} == {
        *(f"servers.primary-worker-{n:02d}" for n in range(37, 41)),
        "servers.primary-control-05",
        "servers.primary-control-06",
    }
    assert all("racksPerSite" in fault.remedy for fault in faults)


def test_more_racks_than_the_switches_join_are_refused() -> None:
    with pytest.raises(BadInput, match="join 4 racks at most"):
        sample.network(sample.plan({"worker": 5}), racks=5)


def test_slots_that_overlap_or_stick_out_are_refused_by_name() -> None:
    layout = sample.national().layout
    assert layout is not None
    slots = (*layout.slots, RackSlot(holds="pdu", bottom=42, units=2))
    with pytest.raises(BadInput) as caught:
        sample.network(sample.plan(layout=layout.model_copy(update={"slots": slots})))
    said = str(caught.value)
    assert "reaches unit 43 of a rack of 42" in said
    assert "overlap those of switch-tor" in said


def test_a_plan_without_a_layout_has_no_cables() -> None:
    made: LeasePlan = plans.plan()
    assert sample.network(made).cables == ()


def test_the_picture_shows_everything_in_the_rack() -> None:
    network = sample.network(sample.plan())
    picture = rack_svg("primary-rack-01", network.placed, 42)
    for each in network.placed:
        assert (f"{each.name} " in picture or f"{each.name}," in picture or f"{each.name}<" in picture) == (
            each.rack == "primary-rack-01"
        )
