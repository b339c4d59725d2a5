"""The rack's network: one namespace with a bridge, one namespace a server, joined by veth pairs.

Everything lives in namespaces of the rack's own, so that the machine's interfaces, routes, firewall and sysctls stay as
they are. There is no way out: the servers' default route ends at the bridge, whose namespace forwards nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.rack.machine import run
from infra.rack.namespace import inside, names, namespace_path, rack_namespace, server_namespace
from infra.rack.spec import RackServer, RackSpec

BRIDGE = "rack0"
INTERFACE = "eth0"


def ensure_rack_network(spec: RackSpec) -> bool:
    """See that the rack's namespace and bridge are there; True when something had to be made."""
    namespace = rack_namespace(spec.name)
    made = _ensure_namespace(namespace)
    _forward_nothing(namespace)
    links = {link["ifname"] for link in _links(namespace)}
    if BRIDGE not in links:
        _ip(namespace, f"link add {BRIDGE} type bridge forward_delay 0 stp_state 0")
        made = True
    gateway = f"{spec.gateway}/{spec.supernet.prefixlen}"
    if gateway not in _addresses(namespace, BRIDGE):
        _ip(namespace, f"address add {gateway} dev {BRIDGE}", f"link set {BRIDGE} up", "link set lo up")
        made = True
    return made


def reserve(rack: str, server: str) -> None:
    """See that the server's namespace is there, without an interface: podman wants to see it before it is used."""
    _ensure_namespace(server_namespace(rack, server))


def plug_in(spec: RackSpec, server: RackServer) -> None:
    """Give the server a fresh network at power-on: an empty namespace with its one interface, as after a reset.

    What an earlier boot left (firewall rules, routes, bridges, `net.*` settings) goes with its namespace.
    """
    rack, own = rack_namespace(spec.name), server_namespace(spec.name, server.name)
    unplug(spec.name, server.name)
    _ensure_namespace(own)
    peer = port_name(server)
    # A pair of which one end is still dying with its old namespace blocks the name: take it away first.
    run("ip", "-n", rack, "link", "delete", peer, check=False)
    _ip(
        rack,
        f"link add {peer} type veth peer name {INTERFACE} netns {own} address {server.mac_address}",
        f"link set {peer} master {BRIDGE} up",
    )
    _forward_nothing(own)
    _ip(
        own,
        "link set lo up",
        f"address add {server.address}/{spec.supernet.prefixlen} dev {INTERFACE}",
        f"link set {INTERFACE} up",
        f"route add default via {spec.gateway}",
    )


def unplug(rack: str, server: str) -> None:
    """Take the server's network away; nothing happens when it has none."""
    remove_namespace(server_namespace(rack, server))


def remove_rack_network(rack: str) -> int:
    """Remove every namespace of the rack, the bridge's last; returns how many there were."""
    found = names(rack)
    for name in reversed(found):
        remove_namespace(name)
    return len(found)


def remove_namespace(name: str) -> None:
    """Delete a named namespace and the interfaces in it; nothing happens when it is not there."""
    path = namespace_path(name)
    if path.exists():
        run("ip", "netns", "delete", name, check=False)
        path.unlink(missing_ok=True)  # a bare file is left when the machine was restarted in between


def port_name(server: RackServer) -> str:
    """The server's port at the bridge; interface names hold 15 characters, so it is named for the address."""
    return "p" + server.address.packed.hex()


def _ensure_namespace(name: str) -> bool:
    if name in _known_namespaces():
        return False
    namespace_path(name).unlink(missing_ok=True)
    run("ip", "netns", "add", name)
    return True


def _forward_nothing(namespace: str) -> None:
    """A new namespace takes `net.*` over from the machine; a new server forwards nothing until told to."""
    with inside(namespace):  # /proc/sys/net shows the namespace of the thread that opens it
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0\n", encoding="ascii")


def _known_namespaces() -> set[str]:
    """Named namespaces that are really mounted: a plain file of that name is a leftover."""
    mounted = set()
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "nsfs":
                mounted.add(fields[4].rsplit("/", 1)[1])
    return mounted


def _ip(namespace: str, *commands: str) -> None:
    run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(commands) + "\n", doing=f"network {namespace}")


def _links(namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("ip", "-n", namespace, "-json", "link", "show").stdout or "[]")
    return found


def _addresses(namespace: str, device: str) -> set[str]:
    shown = run("ip", "-n", namespace, "-json", "address", "show", "dev", device).stdout
    return {f"{a['local']}/{a['prefixlen']}" for link in json.loads(shown or "[]") for a in link.get("addr_info", ())}
