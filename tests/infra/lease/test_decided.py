"""Decisions on leases: what they make of the plan, and what they refuse."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import BadInput
from infra.lease.decided import Decided, decided, free_name
from infra.lease.decisions import (
    Decision,
    Decisions,
    Deliver,
    Move,
    Renew,
    Replace,
    Return,
    Sign,
    read_decisions,
    write_decisions,
)
from infra.lease.inputs import Terms, server_inputs
from infra.lease.model import BmcPlace, ServerInputs
from infra.network.addresses import address_plan
from tests.infra import plans

PLAN = plans.plan(sites=("primary", "drc"))
WHO: dict[str, Any] = {"by": "Siti Rahma", "on": dt.date(2020, 1, 2)}
LINE = "primary-worker-2018-06"
FAILED, SPARE = "primary-worker-01", "primary-worker-02"


def after(*made: Decision) -> Decided:
    return decided(PLAN, Decisions(decisions=made))


def inputs(since: Decided, name: str) -> ServerInputs:
    addresses = address_plan(since.plan, "national")

    def place(server: Any) -> BmcPlace:
        return BmcPlace(url=f"https://bmc-of-{since.machines.get(server.name, server.name)}", system="1")

    return server_inputs(since.plan, [name], "test", addresses, place, 2, Terms(since))[0]


def test_no_decisions_change_nothing() -> None:
    assert decided(PLAN, Decisions()).plan == PLAN


def test_a_renewal_at_the_rent_makes_the_line_longer() -> None:
    since = after(Renew(line=LINE, until=dt.date(2021, 6, 1), **WHO))
    (terms,) = inputs(since, FAILED).leases
    assert (terms.end, terms.months, terms.notice_date) == (dt.date(2021, 6, 1), 36, dt.date(2021, 3, 3))
    assert since.plan.server(FAILED).end == dt.date(2021, 6, 1)
    # A plan that has it by now is left as it is.
    again = decided(since.plan, Decisions(decisions=(Renew(line=LINE, until=dt.date(2021, 6, 1), **WHO),)))
    assert again.plan == since.plan


def test_a_renewal_at_another_rent_is_a_line_of_its_own() -> None:
    since = after(Renew(line=LINE, until=dt.date(2020, 12, 1), monthly_rent_idr=8_000_000, quotation="Q7", **WHO))
    first, second = inputs(since, FAILED).leases
    assert (first.end, second.start, second.months) == (first.end, first.end, 6)
    assert (second.monthly_rent_idr, second.setup_idr, second.quotation) == (8_000_000, 0, "Q7")


def test_a_spare_takes_over_name_role_and_address() -> None:
    before, since = inputs(decided(PLAN, Decisions()), FAILED), after(Replace(server=FAILED, spare=SPARE, **WHO))
    now = inputs(since, FAILED)
    assert now.bmc.url == f"https://bmc-of-{SPARE}"
    assert (now.addresses, now.role, now.rack) == (before.addresses, before.role, before.rack)
    assert now.leases == before.leases
    waiting = inputs(since, SPARE)
    assert (waiting.delivered, waiting.bmc.url) == (False, f"https://bmc-of-{FAILED}")
    assert inputs(after(Replace(server=FAILED, spare=SPARE, **WHO), Deliver(server=SPARE, **WHO)), SPARE).delivered


def test_without_a_spare_the_server_waits_for_its_machine() -> None:
    since = after(Replace(server=FAILED, lost="burnt, drives shredded", **WHO))
    assert not inputs(since, FAILED).delivered
    assert "Siti Rahma, 2020-01-02: burnt" in since.lost[FAILED]
    delivered = after(Replace(server=FAILED, lost="burnt", **WHO), Deliver(server=FAILED, **WHO))
    assert (inputs(delivered, FAILED).delivered, dict(delivered.lost)) == (True, {})  # the next machine is another one


def test_a_returned_line_leaves_the_plan_and_every_phase() -> None:
    gone = tuple(s.name for s in PLAN.servers if LINE in s.leases)
    since = after(Return(servers=gone, **WHO))
    assert not {s.name for s in since.plan.servers} & set(gone)
    assert not any(set(gone) & {*p.national.servers, *p.rack.servers} for p in since.plan.phases)
    assert LINE not in {line.id for line in since.plan.leases}
    assert len(since.plan.servers) == len(PLAN.servers) - len(gone)


def test_a_move_keeps_the_lease_and_takes_a_new_name_at_the_site() -> None:
    name = free_name(PLAN, Decisions(), FAILED, "drc")
    assert name == "drc-worker-03"
    since = after(Move(server=FAILED, site="drc", name=name, **WHO))
    moved = inputs(since, name)
    assert (moved.site, moved.leases[0].id, moved.delivered) == ("drc", LINE, False)
    assert moved.addresses["cluster"] == "10.21.2.33"
    assert name in since.plan.phases[0].national.servers
    assert FAILED not in since.plan.phases[0].national.servers
    assert inputs(after(Move(server=FAILED, rack="primary-rack-07", **WHO)), FAILED).rack == "primary-rack-07"


def test_a_signed_contract_stands_in_terms_and_tags() -> None:
    made = inputs(after(Sign(line=LINE, contract="K-17/2018", **WHO)), FAILED)
    assert made.leases[0].contract == made.tags["contracts"] == "K-17/2018"
    assert made.tags["end"] == "2020-06-01"


def test_every_fault_is_listed_and_names_its_decision() -> None:
    with pytest.raises(BadInput) as caught:
        after(
            Renew(line="nobody", until=dt.date(2021, 6, 1), **WHO),
            Renew(line=LINE, until=dt.date(2021, 6, 9), **WHO),
            Replace(server=FAILED, spare="primary-edge-09", **WHO),
            Replace(server=FAILED, spare="drc-worker-01", **WHO),
            Move(server=FAILED, **WHO),
            Move(server=FAILED, site="drc", name="drc-worker-01", **WHO),
            Return(servers=("nobody",), **WHO),
        )
    assert [fault.path for fault in caught.value.faults] == [
        f"decisions[{number}].{path}"
        for number, path in enumerate(["line", "until", "spare", "spare", "rack", "name", "servers"])
    ]
    assert all(fault.remedy for fault in caught.value.faults)


WORKERS = st.sampled_from([s.name for s in PLAN.servers if s.role == "worker"])
STEPS = st.one_of(
    st.builds(lambda s: Replace(server=s, **WHO), WORKERS),
    st.builds(lambda s, t: Replace(server=s, spare=t, **WHO), WORKERS, WORKERS),
    st.builds(lambda s: Deliver(server=s, **WHO), WORKERS),
    st.builds(lambda s: Return(servers=(s,), **WHO), WORKERS),
    st.builds(lambda s: Renew(line=LINE, until=dt.date(2022, 6, 1), **WHO), WORKERS),
)


@given(st.lists(STEPS, max_size=8))
def test_no_two_servers_ever_share_a_machine_or_an_address(made: list[Decision]) -> None:
    kept: list[Decision] = []
    for decision in made:
        try:
            decided(PLAN, Decisions(decisions=(*kept, decision)))
        except BadInput:
            continue
        kept.append(decision)
    since = after(*kept)
    addresses = address_plan(since.plan, "national")  # refuses overlaps
    places = [since.machines.get(server.name, server.name) for server in since.plan.servers]
    assert len(set(places)) == len(places)
    assert len({str(addresses.address(server)) for server in since.plan.servers}) == len(places)
    assert since.on_order <= {server.name for server in since.plan.servers}


def test_the_file_says_what_was_decided(tmp_path: Path) -> None:
    path = tmp_path / "Ledger.test.yaml"
    made = Decisions(decisions=(Sign(line=LINE, contract="K-1", **WHO), Return(servers=(FAILED,), **WHO)))
    write_decisions(path, made)
    assert path.read_text().startswith("# Decisions")
    assert read_decisions(path) == made
    path.write_text("version: 1\ndecisions:\n- action: sell\n  line: x\n")
    with pytest.raises(BadInput):
        read_decisions(path)
    assert read_decisions(tmp_path / "none.yaml") == Decisions()
