"""The NetBox files fit together: what a row names was imported before it, and nothing is there twice."""

from __future__ import annotations

import csv
import io
import ipaddress
from collections import Counter

import pytest

from infra.network.documents import files
from tests.infra.network import sample

Rows = list[dict[str, str]]

# Required columns of the import forms (NetBox 4.7.3, dcim/forms/bulk_import.py and ipam/forms/bulk_import.py).
REQUIRED = {
    "sites": ("name", "slug", "status"),
    "manufacturers": ("name", "slug"),
    "device-roles": ("name", "slug"),
    "device-types": ("manufacturer", "model", "slug", "u_height"),
    "racks": ("site", "name", "status", "width", "u_height"),
    "devices": ("name", "role", "manufacturer", "device_type", "status", "site"),
    "interfaces": ("device", "name", "type"),
    "power-ports": ("device", "name"),
    "power-outlets": ("device", "name"),
    "vlans": ("vid", "name", "status"),
    "prefixes": ("prefix", "status"),
    "ip-addresses": ("address", "status"),
    "cables": ("side_a_device", "side_a_type", "side_a_name", "side_b_device", "side_b_type", "side_b_name"),
}


@pytest.fixture(scope="module")
def tables() -> dict[str, Rows]:
    found = files(sample.network(sample.plan(), phase=3))
    return {
        path.split("/")[1][3:-4]: list(csv.DictReader(io.StringIO(text)))
        for path, text in found.items()
        if path.startswith("netbox/")
    }


def column(rows: Rows, *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_every_file_has_rows_and_the_columns_that_its_form_requires(tables: dict[str, Rows]) -> None:
    assert list(tables) == list(REQUIRED)
    for name, wanted in REQUIRED.items():
        assert tables[name]
        for row in tables[name]:
            assert all(row[key] for key in wanted if key != "u_height"), (name, row)


def test_what_a_row_names_is_there(tables: dict[str, Rows]) -> None:
    sites = set(column(tables["sites"], "name"))
    assert set(column(tables["racks"], "site")) <= sites
    assert set(column(tables["devices"], "site")) <= sites
    assert set(column(tables["devices"], "site", "rack")) <= set(column(tables["racks"], "site", "name"))
    assert set(column(tables["devices"], "manufacturer", "device_type")) <= set(
        column(tables["device-types"], "manufacturer", "model")
    )
    assert set(column(tables["devices"], "role")) <= set(column(tables["device-roles"], "name"))
    devices = set(column(tables["devices"], "name"))
    for name in ("interfaces", "power-ports", "power-outlets"):
        assert set(column(tables[name], "device")) <= devices
    vlans = set(column(tables["vlans"], "site", "vid"))
    assert {pair for pair in column(tables["prefixes"], "vlan_site", "vlan") if pair[1]} <= vlans
    interfaces = set(column(tables["interfaces"], "device", "name"))
    assert {pair for pair in column(tables["ip-addresses"], "device", "interface") if pair[0]} <= interfaces


def test_a_bond_or_parent_comes_before_the_interface_that_names_it(tables: dict[str, Rows]) -> None:
    seen: set[tuple[str, str]] = set()
    for row in tables["interfaces"]:
        for key in ("lag", "parent"):
            assert not row[key] or (row["device"], row[key]) in seen, row
        seen.add((row["device"], row["name"]))


def test_both_ends_of_every_cable_exist_and_carry_no_other_cable(tables: dict[str, Rows]) -> None:
    ports = {
        "dcim.interface": set(column(tables["interfaces"], "device", "name")),
        "dcim.powerport": set(column(tables["power-ports"], "device", "name")),
        "dcim.poweroutlet": set(column(tables["power-outlets"], "device", "name")),
    }
    ends: Counter[tuple[str, ...]] = Counter()
    for row in tables["cables"]:
        for side in "ab":
            end = (row[f"side_{side}_device"], row[f"side_{side}_name"])
            assert end in ports[row[f"side_{side}_type"]], row
            ends[end] += 1
    assert max(ends.values()) == 1


def test_nothing_is_there_twice_and_every_address_is_in_a_prefix(tables: dict[str, Rows]) -> None:
    for name, key in (
        ("sites", ("name",)),
        ("racks", ("site", "name")),
        ("devices", ("name",)),
        ("interfaces", ("device", "name")),
        ("power-outlets", ("device", "name")),
        ("vlans", ("site", "vid")),
        ("vlans", ("name",)),
        ("prefixes", ("prefix",)),
        ("ip-addresses", ("address",)),
        ("cables", ("label",)),
    ):
        assert max(Counter(column(tables[name], *key)).values()) == 1, (name, key)
    prefixes = {ipaddress.ip_network(row["prefix"]) for row in tables["prefixes"]}
    for row in tables["ip-addresses"]:
        assert ipaddress.ip_interface(row["address"]).network in prefixes


def test_a_device_has_one_primary_address_and_a_server_one_out_of_band(tables: dict[str, Rows]) -> None:
    for flag, among in (("is_primary", None), ("is_oob", "bmc")):
        count = Counter(row["device"] for row in tables["ip-addresses"] if row[flag] == "true")
        assert set(count.values()) == {1}
        if among is None:
            assert set(count) == {row["name"] for row in tables["devices"]}
