"""Proposing decisions: the file holds what was agreed to and nothing else. The ledger as rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from capacity.faults import BadInput
from infra.engine.cost import cost_difference
from infra.engine.leases import Leases
from infra.engine.rollout import Rollout
from infra.engine.terms import boot_plan
from infra.lease.decided import Decided
from infra.lease.decisions import Move, Renew, Replace, Return, Sign
from infra.lease.ledger import ledger_rows, months_later, servers_of
from infra.lease.model import LeaseTerms
from infra.network.addresses import address_plan
from infra.settings import FleetSettings
from tests.infra import plans

WHO: dict[str, Any] = {"by": "Siti Rahma", "on": dt.date(2018, 9, 1)}
LINE = "primary-worker-2018-06"


@pytest.fixture
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leases:
    monkeypatch.setenv("OSS_STATE", str(tmp_path / "state"))
    source = plans.write(tmp_path, plans.plan())
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.trial.fleet.yaml").write_text(f"config:\n  oss:plan: {source}\n")
    return Leases(Rollout("trial", tmp_path), tmp_path)


def test_what_is_not_kept_leaves_no_trace(leases: Leases) -> None:
    with leases.proposed(Sign(line=LINE, contract="K-1", **WHO)):
        assert leases.in_force.contracts == {LINE: "K-1"}  # a preview sees it
    assert not leases.file.exists()
    with leases.proposed(Sign(line=LINE, contract="K-1", **WHO)) as proposal:
        proposal.keep()
    text = leases.file.read_text()
    with pytest.raises(KeyboardInterrupt), leases.proposed(Return(servers=("primary-worker-01",), **WHO)):
        raise KeyboardInterrupt
    assert leases.file.read_text() == text


def test_the_same_again_is_nothing_new_and_a_change_of_mind_is(leases: Leases) -> None:
    first = Replace(server="primary-worker-01", spare="primary-worker-02", **WHO)
    assert leases.check(first)
    with leases.proposed(first) as proposal:
        proposal.keep()
    assert not leases.check(first.model_copy(update={"by": "somebody else", "reason": "once more"}))
    assert leases.check(Renew(line=LINE, until=dt.date(2021, 6, 1), **WHO))
    assert not leases.check(Renew(line=LINE, until=dt.date(2020, 6, 1), **WHO))  # the plan has it
    with pytest.raises(BadInput):
        leases.check(Move(server="nobody", rack="r", **WHO))


def test_a_ledger_tells_what_ends_first_first() -> None:
    plan = plans.plan()
    rows = ledger_rows(Decided(plan, on_order=frozenset({"primary-worker-02"})), plan.phases[0].national.servers,
                       {"primary-edge-01": "in service"}, dt.date(2020, 5, 1))  # fmt: skip
    assert [row.server for row in rows] == sorted((row.server for row in rows), key=lambda name: name)
    states = {row.server: row.state for row in rows}
    assert (states["primary-edge-01"], states["primary-worker-02"]) == ("in service", "ordered")
    assert states["primary-control-01"] == "planned"
    assert {row.days_left for row in rows} == {31}
    assert servers_of(Decided(plan), LINE)[0] == "primary-worker-01"
    assert servers_of(Decided(plan), "nobody") == ()


def test_months_are_of_the_calendar() -> None:
    assert months_later(dt.date(2020, 11, 1), 14) == dt.date(2022, 1, 1)
    with pytest.raises(ValueError, match="day"):
        months_later(dt.date(2020, 1, 31), 1)


def test_a_line_that_follows_another_adds_nothing_a_month() -> None:
    first = LeaseTerms(
        id="a", vendor="V", start=dt.date(2018, 6, 1), end=dt.date(2020, 6, 1), months=24,
        notice_date=dt.date(2020, 3, 1), monthly_rent_idr=10, setup_idr=5,
    )  # fmt: skip
    update = {"id": "b", "start": first.end, "end": dt.date(2021, 6, 1), "months": 12, "setup_idr": 0}
    second = first.model_copy(update=update)
    (row,) = cost_difference({"s": [first]}, {"s": [first, second]})
    assert (row.line, row.per_month_idr, row.over_term_idr) == ("b", 0, 120)


def test_a_server_is_installed_with_a_vlan_for_each_network_but_the_controllers() -> None:
    given = {"method": "pxe", "seedDir": "/srv/seeds", "sshKeys": ["ssh-ed25519 AAAA"]}
    settings = FleetSettings.model_validate({"scale": "national", "boot": given})
    plan = plans.plan()
    addresses = address_plan(plan, "national")
    for name, way in (("primary-worker-01", "management"), ("primary-edge-01", "edge")):
        boot = boot_plan(settings, plan.server(name), addresses, "oss.internal")
        assert boot is not None
        assert "oob" not in {interface.network for interface in boot.interfaces}
        assert [interface.network for interface in boot.interfaces if interface.gateway] == [way]
        assert all(interface.address.endswith("/24") for interface in boot.interfaces)


@pytest.mark.parametrize("given", [{"method": "media", "seedDir": "/s", "sshKeys": ["k"]}, {"method": "pxe"}])
def test_half_a_boot_setting_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="boot"):
        FleetSettings.model_validate({"boot": given})
