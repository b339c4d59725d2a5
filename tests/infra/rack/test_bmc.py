"""The Redfish service, asked by an independent client (sushy) over TLS; servers on paper."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import sushy
from sushy import auth, exceptions

from infra.rack.spec import RackSpec
from tests.infra.paper import PaperRack, free_supernet, paper_rack
from tests.infra.rack.conftest import SKU, server


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperRack]:
    supernet = free_supernet()
    servers = (server("worker-1", 31, supernet), server("worker-2", 32, supernet))
    spec = RackSpec(name=f"bmc{os.getpid()}", supernet=ipaddress.IPv4Network(supernet), servers=servers)
    with paper_rack(spec, tmp_path_factory.mktemp("paper")) as served:
        yield served


@pytest.fixture
def client(paper: PaperRack) -> sushy.Sushy:
    paper.faults()
    return connect(paper, paper.username, paper.password)


def connect(paper: PaperRack, user: str, password: str) -> sushy.Sushy:
    credentials = auth.BasicAuth(user, password)
    return sushy.Sushy(f"{paper.spec.bmc_url}/redfish/v1", auth=credentials, verify=paper.ca_file)


def system(client: sushy.Sushy, name: str) -> sushy.resources.system.system.System:
    return next(s for s in client.get_system_collection().get_members() if s.name == name)


def test_hardware_is_the_contracts(client: sushy.Sushy, paper: PaperRack) -> None:
    found = system(client, "worker-1")
    assert found.memory_summary.size_gib == SKU.memory_gib
    assert sum(cpu.total_cores for cpu in found.processors.get_members()) == SKU.cores
    drives = [drive for unit in found.storage.get_members() for drive in unit.drives]
    assert [drive.capacity_bytes for drive in drives] == [SKU.disk_gb * 10**9] * SKU.disks
    nics = found.ethernet_interfaces.get_members()
    assert nics[0].mac_address == paper.spec.server("worker-1").mac_address
    assert {nic.speed_mbps for nic in nics} == {25_000}
    assert len(nics) == SKU.nics
    assert (found.sku, found.asset_tag) == (SKU.id, "lease-7")
    assert found.serial_number != system(client, "worker-2").serial_number
    assert found.bios_version
    assert found.managers[0].firmware_version


def test_power_follows_resets_and_every_request_is_counted(client: sushy.Sushy, paper: PaperRack) -> None:
    found = system(client, "worker-1")
    before = paper.seen()["worker-1"]
    assert found.power_state == sushy.PowerState.OFF
    for kind, state in (
        (sushy.ResetType.ON, sushy.PowerState.ON),
        (sushy.ResetType.ON, sushy.PowerState.ON),
        (sushy.ResetType.GRACEFUL_RESTART, sushy.PowerState.ON),
        (sushy.ResetType.FORCE_OFF, sushy.PowerState.OFF),
    ):
        found.reset_system(kind)
        found.refresh(force=True)
        assert found.power_state == state
    after = paper.seen()["worker-1"]
    assert after["boots"] - before["boots"] == 2, "on when it is on is no boot"
    assert after["requests"]["On"] - before["requests"].get("On", 0) == 2


def test_boot_once_is_used_up_by_one_boot(client: sushy.Sushy, paper: PaperRack) -> None:
    found = system(client, "worker-2")
    found.set_system_boot_options(target=sushy.BootSource.CD, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    found.refresh(force=True)
    assert (found.boot.target, found.boot.enabled) == (sushy.BootSource.CD, sushy.BootSourceOverrideEnabled.ONCE)
    found.reset_system(sushy.ResetType.ON)
    found.refresh(force=True)
    assert found.boot.enabled == sushy.BootSourceOverrideEnabled.DISABLED
    assert paper.seen()["worker-2"]["last_boot"] == "Cd"
    found.reset_system(sushy.ResetType.FORCE_RESTART)
    assert paper.seen()["worker-2"]["last_boot"] == "Hdd"
    found.set_system_boot_options(target=sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.CONTINUOUS)
    for _ in range(2):
        found.reset_system(sushy.ResetType.FORCE_RESTART)
        assert paper.seen()["worker-2"]["last_boot"] == "Pxe"
    found.reset_system(sushy.ResetType.FORCE_OFF)


def test_virtual_media_go_in_and_out(client: sushy.Sushy, paper: PaperRack) -> None:
    drive = next(m for m in system(client, "worker-1").virtual_media.get_members() if m.identity == "Cd")
    address = "http://127.0.0.1:9/seed.iso"
    drive.insert_media(address, username="reader", password="never-stored")  # noqa: S106 - that is the point
    drive.refresh(force=True)
    assert (drive.inserted, drive.image, drive.image_name) == (True, address, "seed.iso")
    assert "never-stored" not in (paper.state / "bmc" / "systems.sqlite-wal").read_bytes().decode("latin-1")
    drive.eject_media()
    drive.refresh(force=True)
    assert not drive.inserted
    with pytest.raises(exceptions.BadRequestError):
        drive.insert_media("file:///etc/passwd")


def test_indicator_bios_and_asset_tag(client: sushy.Sushy, paper: PaperRack) -> None:
    found = system(client, "worker-1")
    found.set_indicator_led(sushy.INDICATOR_LED_BLINKING)
    found.bios.set_attribute("ProcTurboMode", "Disabled")
    found._conn.patch(found.path, data={"AssetTag": "lease-8"})
    again = system(client, "worker-1")
    assert again.indicator_led == sushy.INDICATOR_LED_BLINKING
    assert again.bios.attributes["ProcTurboMode"] == "Disabled"
    assert again.asset_tag == "lease-8"
    again.bios.reset_bios()
    assert system(client, "worker-1").bios.attributes["ProcTurboMode"] == "Enabled"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Boot": {"BootSourceOverrideTarget": "Tape"}},
        {"Boot": {"BootSourceOverrideEnabled": "Twice"}},
        {"IndicatorLED": "Purple"},
        {"AssetTag": 7},
        {"AssetTag": "fine", "PowerState": "On"},
    ],
)
def test_a_wrong_patch_changes_nothing(client: sushy.Sushy, paper: PaperRack, body: dict[str, object]) -> None:
    found = system(client, "worker-2")
    before = paper.seen()["worker-2"]
    with pytest.raises(exceptions.BadRequestError):
        found._conn.patch(found.path, data=body)
    assert paper.seen()["worker-2"] == before


def test_credentials_and_certificate_are_demanded(paper: PaperRack) -> None:
    with pytest.raises(exceptions.AccessError):
        connect(paper, paper.username, paper.password + "x").get_system_collection()
    with pytest.raises(exceptions.AccessError):
        connect(paper, "", "").get_system_collection()
    strangers = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), strangers)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        direct.open(f"{paper.spec.bmc_url}/redfish/v1", timeout=30)
    for name in ("credentials.json", "service.key", "systems.sqlite"):
        assert (paper.state / "bmc" / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"kind": "status", "status": 500}, exceptions.ServerSideError),
        ({"kind": "status", "status": 401}, exceptions.AccessError),
        ({"kind": "drop"}, exceptions.ConnectionError),
    ],
)
def test_faults_show_and_end(
    client: sushy.Sushy, paper: PaperRack, rule: dict[str, object], error: type[Exception]
) -> None:
    found = system(client, "worker-1")
    client._conn._server_side_retries = 0
    paper.faults({**rule, "system": paper.system("worker-1"), "method": "POST"})
    with pytest.raises(error):
        found._conn._op("POST", f"{found.path}/Actions/ComputerSystem.Reset", data={"ResetType": "On"}, blocking=False)
    assert paper.seen()["worker-1"]["power"] == "Off", "a request that failed has done nothing"
    system(client, "worker-2").reset_system(sushy.ResetType.FORCE_OFF)
    paper.faults()
    found.reset_system(sushy.ResetType.FORCE_OFF)


def test_a_controller_may_lie_or_be_deaf(client: sushy.Sushy, paper: PaperRack) -> None:
    found = system(client, "worker-1")
    paper.faults({"kind": "claims_on", "times": 1}, {"kind": "deaf", "times": 1})
    found.refresh(force=True)
    assert found.power_state == sushy.PowerState.ON
    found.reset_system(sushy.ResetType.ON)
    found.refresh(force=True)
    assert found.power_state == sushy.PowerState.OFF
    assert paper.seen()["worker-1"]["requests"]["On"] >= 1


def test_memory_outlives_the_process(tmp_path: Path) -> None:
    supernet = free_supernet()
    spec = RackSpec(
        name=f"again{os.getpid()}", supernet=ipaddress.IPv4Network(supernet), servers=(server("w", 31, supernet),)
    )
    with paper_rack(spec, tmp_path) as first:
        system(connect(first, first.username, first.password), "w").reset_system(sushy.ResetType.ON)
    with paper_rack(spec, tmp_path) as second:
        assert system(connect(second, second.username, second.password), "w").power_state == sushy.PowerState.ON
        assert second.seen()["w"]["boots"] == 1
