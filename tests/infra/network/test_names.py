"""Forward and reverse agree, names of zones stay inside them, and public names follow the sites in order."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.network.addresses import address_plan
from infra.network.documents import files
from infra.network.names import Zone, health_names, hosts_of, zone_file, zones
from tests.infra.network import sample

DOMAIN = "oss.internal"


def made(workers: int = 4) -> dict[str, Zone]:
    network = sample.network(sample.plan({**sample.COUNTS, "worker": workers}))
    found = zones(network.plan, network.hosts, network.addresses, network.placed)
    return {zone.name: zone for zone in found}


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 30))
def test_every_address_leads_back_to_a_name_that_leads_to_it(workers: int) -> None:
    found = made(workers)
    forward = {(f"{r.name}.{DOMAIN}.", r.value) for r in found[DOMAIN].records if r.type == "A"}
    back = {}
    for name in ("20.10.in-addr.arpa", "21.10.in-addr.arpa"):
        for record in (r for r in found[name].records if r.type == "PTR"):
            fourth, third, second, first, *_ = f"{record.name}.{name}".split(".")
            back[f"{first}.{second}.{third}.{fourth}"] = record.value
    assert {address for _, address in forward} == set(back)
    assert all((name, address) in forward for address, name in back.items())


def test_a_zone_file_has_one_authority_with_its_servers_and_no_name_twice_with_the_same_value() -> None:
    service = sample.national().names
    assert service is not None
    for zone in made().values():
        text = zone_file(zone, service)
        assert text.count("\tSOA\t") == 1
        assert text.startswith(f"$ORIGIN {zone.name}.\n")
        assert text.count("\tNS\t") == 6
        lines = text.splitlines()
        assert len(set(lines)) == len(lines)


def test_a_change_of_a_record_changes_the_serial_and_nothing_else_does() -> None:
    service = sample.national().names
    assert service is not None
    serials = [zone_file(made(n)[DOMAIN], service).split("SOA")[1].split()[2] for n in (4, 4, 5)]
    assert serials[0] == serials[1] != serials[2]


def test_public_names_lead_to_the_first_site_and_name_the_next() -> None:
    network = sample.network(sample.plan())
    lines = [line for line in health_names(network.plan, network.hosts, network.addresses) if line.name == DOMAIN]
    assert [(line.site, line.priority) for line in lines] == [("primary", 1), ("drc", 2)]
    assert lines[0].check == f"https://{lines[0].address}/edge-health"
    apex = [r for r in made()[DOMAIN].records if r.name == "@" and r.type == "A"]
    assert [r.value for r in apex] == [lines[0].address]


def test_the_database_is_the_primary_at_the_first_site_whatever_the_alphabet_says() -> None:
    (found,) = [record.value for record in made()[DOMAIN].records if record.name == "database"]
    assert found == "10.20.2.201"


def test_a_rack_has_names_for_its_one_network() -> None:
    plan = sample.plan()
    addresses = address_plan(plan, "rack", "10.94.0.0/16")
    hosts = hosts_of(plan, ["primary-control-01", "primary-edge-01"], addresses)
    forward, back, *_ = zones(plan, hosts, addresses)
    assert {r.name for r in forward.records if r.type == "A"} == {
        "primary-control-01",
        "primary-edge-01",
        "kubernetes.primary",
        "edge.primary",
        "@",
        "portal",
        "api",
    }
    assert back.name == "94.10.in-addr.arpa"


def test_addresses_in_the_list_are_all_different() -> None:
    rows = [line.split(",") for line in files(sample.network(sample.plan()))["addresses.csv"].splitlines()[1:]]
    single = [address for _, _, address, *_ in rows if "/" not in address]
    assert len(single) == len(set(single))
    assert all(ipaddress.ip_address(address).is_private for address in single)
