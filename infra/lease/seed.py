"""The seed of cloud-init for a server: who it is, who may sign in, and its networks, in the NoCloud layout.

The layout and the formats are those of cloud-init (https://cloudinit.readthedocs.io/, "NoCloud" and "Networking config
version 2"). A seed holds no secret: public keys and addresses only. The text is a pure function of the server's
inputs and of the interfaces that its BMC reports; the files are written for the web server that BMCs and
installers reach, and as an image labelled CIDATA for a virtual drive.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pycdlib
import yaml

from capacity.documents import write_bytes, write_text
from infra.lease.contract import Hardware
from infra.lease.model import BootPlan, ServerInputs

IMAGE = "seed.iso"
LABEL = "CIDATA"
BOND = "bond0"


def seed(wanted: ServerInputs, boot: BootPlan, hardware: Hardware) -> dict[str, str]:
    """File name → text."""
    meta = {
        # A new machine under an old name has another instance id, so that its first boot sets it up again.
        "instance-id": "-".join(filter(None, (wanted.environment, wanted.server, hardware.serial))),
        "local-hostname": wanted.server,
    }
    user = {
        "hostname": wanted.server,
        "fqdn": f"{wanted.server}.{wanted.site}.{boot.domain}",
        "manage_etc_hosts": True,
        "disable_root": True,
        "ssh_pwauth": False,
        "users": [
            {
                "name": boot.user,
                "groups": ["sudo"],
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "lock_passwd": True,
                "ssh_authorized_keys": list(boot.ssh_keys),
            }
        ],
    }
    return {
        "meta-data": _yaml(meta),
        "user-data": f"#cloud-config\n{_yaml(user)}",
        "network-config": _yaml(network_config(boot, hardware)),
    }


def network_config(boot: BootPlan, hardware: Hardware) -> dict[str, Any]:
    """All interfaces as one LACP bond, or the only one as it is, and a VLAN with its address for each network."""
    macs = hardware.nic_macs or ()
    names = {f"nic{number}": mac for number, mac in enumerate(macs)}
    ethernets = {name: {"match": {"macaddress": mac}, "set-name": name} for name, mac in names.items()}
    link = BOND if len(macs) > 1 else "nic0"
    bonds = {BOND: {"interfaces": list(ethernets), "parameters": {"mode": "802.3ad", "mii-monitor-interval": 100}}}
    vlans: dict[str, Any] = {}
    for interface in boot.interfaces:
        vlans[interface.network] = {"id": interface.vlan, "link": link, "addresses": [interface.address]}
        if interface.gateway:
            vlans[interface.network]["routes"] = [{"to": "0.0.0.0/0", "via": interface.gateway}]
    return {"version": 2, "ethernets": ethernets, **({"bonds": bonds} if link == BOND else {}), "vlans": vlans}


def write_seed(wanted: ServerInputs, boot: BootPlan, hardware: Hardware) -> str:
    """Write the seed where BMCs find it and return the address of its image.

    `<seed_dir>/<server>/` holds the three files and the image; `<seed_dir>/mac/<mac>` leads a boot server there.
    """
    folder = Path(boot.seed_dir) / wanted.server
    files = seed(wanted, boot, hardware)
    for name, text in files.items():
        write_text(folder / name, text)
    write_bytes(folder / IMAGE, seed_image(files))
    for mac in hardware.nic_macs or ():
        _link(folder.parent / "mac" / mac.replace(":", "-"), Path("..") / wanted.server)
    return seed_url(wanted, boot)


def seed_url(wanted: ServerInputs, boot: BootPlan) -> str:
    """Where BMCs find the image of a server's seed."""
    return f"{boot.seed_url.rstrip('/')}/{wanted.server}/{IMAGE}"


def seed_image(files: dict[str, str]) -> bytes:
    """An ISO 9660 image with Rock Ridge and Joliet names, which cloud-init finds by its label."""
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for number, (name, text) in enumerate(files.items()):
        content = text.encode()
        image.add_fp(io.BytesIO(content), len(content), f"/F{number};1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}")
    made.unlink(missing_ok=True)
    made.symlink_to(target)
    made.replace(path)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=False)
