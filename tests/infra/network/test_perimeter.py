"""Rules are written once: each is in the firewall of every server it is for and of every site it crosses; no others."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from capacity.faults import BadInput
from capacity.networkplan import FirewallRule, PerimeterRule
from infra.network.addresses import address_plan
from infra.network.documents import files
from infra.network.perimeter import passages, ruleset
from tests.infra.network import sample

SITES = ("primary", "drc")


def made(site: str) -> str:
    network = sample.network(sample.plan())
    return ruleset(site, passages(network.plan, site, network.hosts, network.addresses), network.addresses)


@pytest.mark.parametrize("site", SITES)
def test_every_rule_of_the_plan_passes_and_everything_else_is_dropped(site: str) -> None:
    plan, text = sample.national(), made(site)
    assert "policy drop;" in text
    for rule in plan.firewall:
        ports = ", ".join(str(port) for port in rule.ports)
        shown = f': {rule.purpose}"' in text and f"{rule.protocol} dport {{ {ports} }}" in text
        assert shown == (rule.source != "rack-gateway"), rule
    for line in plan.perimeter:
        assert f': {line.purpose}"' in text
    purposes = {rule.purpose for rule in plan.firewall} | {line.purpose for line in plan.perimeter}
    for shown_line in text.splitlines():
        if "accept comment" in shown_line:
            assert shown_line.rsplit(": ", 1)[1].rstrip('"') in purposes


def test_the_public_reaches_the_edge_on_its_two_ports_and_nothing_else() -> None:
    rows = list(csv.DictReader(io.StringIO(files(sample.network(sample.plan()))["firewall.csv"])))
    public = [row for row in rows if row["from_zone"] == "public"]
    assert {(row["to_zone"], row["ports"], row["sources"]) for row in public} == {("edge", "443 80", "any")}
    assert {row["targets"] for row in public if row["site"] == "primary"} == {"10.20.4.5 10.20.4.11 10.20.4.12"}


def test_bmcs_are_reached_by_operations_alone_and_reach_nobody() -> None:
    rows = list(csv.DictReader(io.StringIO(files(sample.network(sample.plan()))["firewall.csv"])))
    assert {row["from_zone"] for row in rows if row["to_zone"] == "oob"} == {"management"}
    sources = {address for row in rows for address in row["sources"].split()}
    assert not any(address.startswith(("10.20.0.", "10.21.0.")) for address in sources)


def test_within_a_zone_only_the_other_site_crosses_the_firewalls() -> None:
    network = sample.network(sample.plan())
    lines = passages(network.plan, "primary", network.hosts, network.addresses)
    for line in lines:
        if line.from_zone == line.to_zone:
            inside = [address.startswith("10.20.") for address in line.sources]
            outside = [address.startswith("10.20.") for address in line.targets]
            assert len({*inside}) == 1
            assert {*inside} != {*outside}


@pytest.mark.parametrize("site", SITES)
def test_nftables_takes_the_ruleset(site: str, tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("nft"):
        pytest.skip("needs root and nftables")
    file = tmp_path / "rules.nft"
    file.write_text(made(site))
    # In a network namespace of its own, and as a check: no rule of this machine is read or changed.
    done = subprocess.run(
        ["unshare", "--net", "nft", "--check", "--file", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_rules_that_cross_shut_zones_and_members_of_no_zone_are_refused_together() -> None:
    network = sample.national()
    zones = tuple(
        z.model_copy(update={"networks": ()}) if z.id == "database" else z.model_copy() for z in network.zones
    )
    wrong = FirewallRule(to_role="database", source="internet", protocol="tcp", ports=(5432,), purpose="leak")
    odd = FirewallRule(to_role="edge", source="partners", protocol="tcp", ports=(443,), purpose="odd")
    oob = PerimeterRule(to_zone="oob", source="worker", protocol="tcp", ports=(443,), purpose="leak")
    plan = sample.plan(zones=zones, firewall=(*network.firewall, wrong, odd), perimeter=(*network.perimeter, oob))
    with pytest.raises(BadInput) as caught:
        address_plan(plan, "national")
    said = str(caught.value)
    assert len(caught.value.faults) == 4
    for words in (
        "zone public may open no connection to zone database",
        "zone cluster may open no connection to zone oob",
        "no zone has this source",
        "network data is in no zone",
    ):
        assert words in said


def test_virtual_addresses_and_devices_keep_out_of_the_ranges_of_others() -> None:
    network = sample.national()
    (edge,) = network.virtual
    twin = edge.model_copy(update={"id": "twin", "network": "cluster"})
    inside = edge.model_copy(update={"id": "inside", "host": 35, "router_id": 52})
    devices = [d.model_copy(update={"base": 10}) if d.kind == "pdu" else d for d in network.devices]
    segments = [s.model_copy(update={"offset": 2}) if s.kind == "domestic" else s for s in network.segments]
    plan = sample.plan(virtual=(edge, twin, inside), devices=tuple(devices), segments=tuple(segments))
    with pytest.raises(BadInput) as caught:
        address_plan(plan, "national")
    said = str(caught.value)
    for words in (
        "is that of edge",
        "is in the range of role worker",
        "overlap those of switch-tor",
        "so their subnets",
    ):
        assert words in said
