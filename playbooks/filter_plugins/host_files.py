"""Filters that turn what the roles are given into what the module `host_files` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class FilterModule:
    """Ansible finds the filters here."""

    def filters(self) -> dict[str, Any]:
        """Name → filter."""
        return {
            "as_private_files": as_private_files,
            "as_links": as_links,
            "as_network_files": as_network_files,
            "as_zone_files": as_zone_files,
        }


def as_private_files(contents: Mapping[str, str], folder: str, owner: str = "root") -> list[dict[str, str]]:
    """File name → content, as files of `folder` that only `owner` can read."""
    return [
        {"path": f"{folder}/{name}", "content": content, "mode": "0400", "owner": owner, "group": "root"}
        for name, content in sorted(contents.items())
    ]


def as_links(names: Iterable[str], folder: str, target: str) -> list[dict[str, str]]:
    """Names, as links in `folder` to the files of those names in `target`."""
    return [{"path": f"{folder}/{name}", "target": f"{target}/{name}"} for name in names]


def as_zone_files(zones: Iterable[Mapping[str, str]], folder: str) -> list[dict[str, str]]:
    """Zones, as master files in `folder`."""
    return [{"path": f"{folder}/{zone['name']}.zone", "content": zone["content"]} for zone in zones]


def as_network_files(links: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Bundles of network cards and the VLANs on them, as files of systemd-networkd (systemd.netdev(5)).

    Names begin with 05, so that they come before what the installer left.
    """
    return [
        {"path": f"/etc/systemd/network/{name}", "content": _unit(parts)}
        for bundle in links
        for name, parts in _bundle(bundle).items()
    ]


def _bundle(links: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    bond, vlans = links["bond"], links["vlans"]
    files: dict[str, dict[str, dict[str, Any]]] = {
        f"05-{bond}.netdev": {
            "NetDev": {"Name": bond, "Kind": "bond", "MTUBytes": links["mtu"]},
            "Bond": {
                "Mode": "802.3ad",
                "LACPTransmitRate": "fast",
                "TransmitHashPolicy": "layer3+4",
                "MIIMonitorSec": "100ms",
                "MinLinks": 1,
            },
        },
        f"05-{bond}-cards.network": {
            "Match": {"Name": links["members"], "Type": "ether", "Kind": "!*"},
            "Network": {"Bond": bond},
        },
        f"05-{bond}.network": {
            "Match": {"Name": bond},
            "Link": {"RequiredForOnline": "carrier"},
            "Network": {
                "VLAN": [f"{bond}.{vlan['id']}" for vlan in vlans],
                "LinkLocalAddressing": "no",
                "LLDP": "yes",
                "EmitLLDP": "nearest-bridge",
            },
        },
    }
    for vlan in vlans:
        name = f"{bond}.{vlan['id']}"
        gateway = {"Gateway": vlan["gateway"]} if vlan["gateway"] else {}
        files[f"05-{name}.netdev"] = {"NetDev": {"Name": name, "Kind": "vlan"}, "VLAN": {"Id": vlan["id"]}}
        files[f"05-{name}.network"] = {
            "Match": {"Name": name},
            "Network": {"Address": vlan["address"], **gateway, "IPv6AcceptRA": "no", "LinkLocalAddressing": "no"},
        }
    return files


def _unit(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections and settings; a list is one line for each of its values."""
    lines: list[str] = []
    for section, settings in parts.items():
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in settings.items():
            lines += [f"{key}={each}" for each in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"
