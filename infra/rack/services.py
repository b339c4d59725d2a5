"""The three processes of a rack: its controllers, its forwarder and its apt cache."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import ssl
import urllib.request
from pathlib import Path

from capacity.documents import write_text
from infra.paths import cache_dir
from infra.rack.daemons import Daemon, wait
from infra.rack.keys import BmcAccess
from infra.rack.namespace import rack_namespace
from infra.rack.sources import machine_proxy, machine_sources
from infra.rack.spec import APT_PORT, BMC_PORT, RackSpec
from infra.rack.state import rack_dir, spec_file


def daemons(rack: str, state: Path) -> tuple[Daemon, Daemon, Daemon]:
    """Controllers, forwarder, apt cache."""
    folder = rack_dir(state)
    return (
        Daemon(rack, "bmc", "infra.rack.bmc", folder),
        Daemon(rack, "forward", "infra.rack.forward", folder),
        Daemon(rack, "apt-cache", "infra.rack.aptcache", folder),
    )


def start_apt_cache(spec: RackSpec, state: Path, network_is_new: bool) -> bool:
    """See that the apt cache runs; True when it was started. In a new network an old one listens where nobody is."""
    daemon = daemons(spec.name, state)[2]
    if network_is_new:
        daemon.stop()
    archives = {source.host: source.scheme for source in machine_sources()}
    arguments = [
        *("--cache", str(cache_dir() / "apt")),
        *(word for host, scheme in archives.items() for word in ("--archive", f"{host}={scheme}")),
        *(("--proxy", machine_proxy()) if machine_proxy() else ()),
        *("--listen", f"{spec.apt_address}:{APT_PORT}"),
        *("--inside", f"{rack_namespace(spec.name)}={spec.gateway}:{APT_PORT}"),
    ]
    return daemon.start(arguments, lambda: listening({(spec.apt_address, APT_PORT)}))


def start_services(spec: RackSpec, state: Path, access: BmcAccess) -> bool:
    """See that controllers and forwarder run and know the spec; True when something was started or told."""
    bmc, forward, _ = daemons(spec.name, state)
    file = spec_file(state)
    applied = rack_dir(state) / "applied"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    stale = not applied.exists() or applied.read_text(encoding="ascii").strip() != digest
    here = {(spec.bmc_address, BMC_PORT)}
    started = bmc.start(["--spec", str(file), "--state", str(state)], lambda: listening(here))
    ports = {(m.loopback, m.loopback_port) for m in spec.port_maps}
    if stale and not started:
        bmc.reload()
    fresh = forward.start(["--spec", str(file)], lambda: listening(set(list(ports)[:1])))
    if stale and not fresh:
        forward.reload()
    wait(lambda: listening(ports), "the forwarder did not open all ports", f"see {forward.log}")
    wanted = len(spec.servers)
    problem = f"the controllers do not serve {wanted} systems"
    wait(lambda: systems_served(access) == wanted, problem, f"see {bmc.log}")
    write_text(applied, digest + "\n")
    return started or fresh or stale


def listening(places: set[tuple[str, int]]) -> bool:
    """Whether the machine listens on all these TCP places, as the kernel's table says; nothing connects."""
    found = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == "0A":
            address, port = local.split(":")
            found.add((str(ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(address), "little"))), int(port, 16)))
    return places <= found


def systems_served(access: BmcAccess) -> int:
    """How many systems the Redfish service has; -1 when it does not answer as it should."""
    user, password = access.read()
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        context = ssl.create_default_context(cafile=str(access.ca))
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        direct.addheaders = [("Authorization", f"Basic {token}")]
        with direct.open(f"{access.url}/redfish/v1/Systems", timeout=10) as answer:
            return int(json.load(answer)["Members@odata.count"])
    except (OSError, ValueError, KeyError):
        return -1
