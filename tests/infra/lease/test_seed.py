"""The seed of cloud-init: what it says, and that both a web server and a virtual drive can hand it over."""

from __future__ import annotations

import io
from pathlib import Path

import pycdlib
import pytest
import yaml

from infra.lease.contract import Hardware
from infra.lease.inputs import server_inputs
from infra.lease.model import BmcPlace, BootInterface, BootPlan, ServerInputs
from infra.lease.seed import LABEL, network_config, seed, seed_image, write_seed
from infra.network.addresses import address_plan
from tests.infra import plans

MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")


def boot_plan(folder: str = "/srv/seeds") -> BootPlan:
    return BootPlan(
        method="media",
        image="https://boot.oss.internal/installer.iso",
        seed_dir=folder,
        seed_url="https://boot.oss.internal/seeds",
        user="ops",
        ssh_keys=("ssh-ed25519 AAAA operator",),
        domain="oss.internal",
        interfaces=(
            BootInterface(network="management", vlan=101, address="10.20.1.31/24", gateway="10.20.1.1"),
            BootInterface(network="cluster", vlan=102, address="10.20.2.31/24"),
        ),
    )


def wanted() -> ServerInputs:
    plan = plans.plan(phases=1)
    place = BmcPlace(url="https://10.20.0.31", system="1")
    addresses = address_plan(plan, "national")
    return server_inputs(plan, ["primary-worker-01"], "test", addresses, lambda _: place, racks_per_site=2)[0]


def test_two_interfaces_are_one_bond_and_every_network_a_vlan_over_it() -> None:
    config = network_config(boot_plan(), Hardware(nic_macs=MACS))
    assert [nic["match"]["macaddress"] for nic in config["ethernets"].values()] == list(MACS)
    assert config["bonds"]["bond0"]["interfaces"] == list(config["ethernets"])
    assert config["vlans"]["cluster"] == {"id": 102, "link": "bond0", "addresses": ["10.20.2.31/24"]}
    assert [name for name, vlan in config["vlans"].items() if "routes" in vlan] == ["management"]


def test_one_interface_needs_no_bond() -> None:
    config = network_config(boot_plan(), Hardware(nic_macs=MACS[:1]))
    assert "bonds" not in config
    assert {vlan["link"] for vlan in config["vlans"].values()} == {"nic0"}


def test_keys_alone_may_sign_in() -> None:
    text = seed(wanted(), boot_plan(), Hardware(serial="S1"))["user-data"]
    assert text.startswith("#cloud-config\n")
    user = yaml.safe_load(text)
    assert (user["ssh_pwauth"], user["disable_root"], user["users"][0]["lock_passwd"]) == (False, True, True)
    assert user["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA operator"]


def test_another_machine_under_the_name_is_another_instance() -> None:
    one, two = (yaml.safe_load(seed(wanted(), boot_plan(), Hardware(serial=s))["meta-data"]) for s in ("S1", "S2"))
    assert one["instance-id"] != two["instance-id"]
    assert one["local-hostname"] == two["local-hostname"] == "primary-worker-01"


@pytest.mark.parametrize("names", ["joliet_path", "rr_path"])
def test_the_image_holds_the_files_under_their_names(names: str) -> None:
    files = seed(wanted(), boot_plan(), Hardware(nic_macs=MACS))
    image = pycdlib.PyCdlib()
    image.open_fp(io.BytesIO(seed_image(files)))
    assert image.pvd.volume_identifier.decode().strip() == LABEL
    for name, text in files.items():
        out = io.BytesIO()
        image.get_file_from_iso_fp(out, **{names: f"/{name}"})
        assert out.getvalue().decode() == text
    image.close()


def test_it_is_written_again_without_a_trace_of_the_first(tmp_path: Path) -> None:
    for serial in ("S1", "S2"):
        url = write_seed(wanted(), boot_plan(str(tmp_path)), Hardware(nic_macs=MACS, serial=serial))
    assert url == "https://boot.oss.internal/seeds/primary-worker-01/seed.iso"
    assert sorted(path.name for path in (tmp_path / "mac").iterdir()) == [mac.replace(":", "-") for mac in MACS]
    for folder in (tmp_path / "primary-worker-01", tmp_path / "mac" / MACS[1].replace(":", "-")):
        assert sorted(path.name for path in folder.iterdir()) == [
            "meta-data",
            "network-config",
            "seed.iso",
            "user-data",
        ]
        assert "S2" in (folder / "meta-data").read_text()
