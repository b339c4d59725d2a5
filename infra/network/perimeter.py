"""What the firewalls of a site let through, from the same rules that every server's own firewall is made of.

Servers refuse what no rule names (`infra.playbooks.firewall`); the site's firewalls refuse it a second time, between
zones and between sites. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from capacity.leaseplan import LeasePlan
from capacity.networkplan import FirewallRule, ZoneId
from infra.network.addresses import AddressPlan
from infra.network.names import Host

ANYONE = ("any", "internet")
NOT_HERE = "rack-gateway"  # a rack's own source, which no site has


@dataclass(frozen=True, slots=True)
class Passage:
    """Connections that pass. No sources: anyone. `outside`: to any address that is not of a site."""

    from_zone: str
    to_zone: ZoneId
    protocol: str
    ports: tuple[int, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    purpose: str
    outside: bool = False


def passages(plan: LeasePlan, site: str, hosts: Sequence[Host], addresses: AddressPlan) -> tuple[Passage, ...]:
    """What passes the firewalls of a site, in the plan's order; empty for a plan without zones, and in a rack.

    A rule within a zone passes from and to other sites alone: inside the site it never meets these firewalls.
    """
    zones = {role: zone.id for zone in plan.network.zones for role in zone.roles}
    if not zones or addresses.scale == "rack":
        return ()
    found: list[Passage] = []
    for rule in plan.network.firewall:
        if rule.source != NOT_HERE:
            found += _of_rule(rule, plan, site, hosts, addresses)
    for line in plan.network.perimeter:
        zone = next(zone for zone in plan.network.zones if zone.id == line.to_zone)
        outside = line.to_zone == "public"
        targets = () if outside else tuple(str(addresses.subnet(site, network).cidr) for network in zone.networks)
        sources = _addresses(h for h in hosts if h.site == site and h.role == line.source)
        if sources and (targets or outside):
            origin = zones.get(line.source, "")
            found.append(Passage(origin, zone.id, line.protocol, line.ports, sources, targets, line.purpose, outside))
    return tuple(found)


def _of_rule(
    rule: FirewallRule, plan: LeasePlan, site: str, hosts: Sequence[Host], addresses: AddressPlan
) -> Iterator[Passage]:
    zones = {role: zone.id for zone in plan.network.zones for role in zone.roles}
    target_zone = zones[rule.to_role]
    here = [h for h in hosts if h.site == site and h.role == rule.to_role]
    away = [h for h in hosts if h.site != site and h.role == rule.to_role]
    virtual = tuple(
        str(addresses.virtual(site, line)) for line in plan.network.virtual if line.role == rule.to_role and here
    )
    if rule.source in ANYONE:
        if here:
            targets = (*virtual, *(h.addresses.get("edge", h.addresses["cluster"]) for h in here))
            yield Passage("public", target_zone, rule.protocol, rule.ports, (), targets, rule.purpose)
        return
    origins: dict[str, list[Host]] = {}
    for host in hosts:
        if rule.source in ("servers", host.role):
            origins.setdefault(zones[host.role], []).append(host)
    for origin, members in origins.items():
        crossing = members if origin != target_zone else [h for h in members if h.site != site]
        own = [h for h in members if h.site == site]
        inward = (*virtual, *_addresses(here)) if here else ()
        for sources, targets in ((_addresses(crossing), inward), (_addresses(own), _addresses(away))):
            if sources and targets:
                yield Passage(origin, target_zone, rule.protocol, rule.ports, sources, targets, rule.purpose)


def _addresses(hosts: Iterable[Host]) -> tuple[str, ...]:
    """Every address of the hosts but those of their BMCs, which open no connections."""
    return tuple(address for host in hosts for network, address in host.addresses.items() if network != "oob")


def ruleset(site: str, found: Sequence[Passage], addresses: AddressPlan) -> str:
    """The passages as an nftables ruleset; what is not named is dropped."""
    supernets = ", ".join(str(net) for net in dict.fromkeys(addresses.supernets.values()))
    lines = [
        "#!/usr/sbin/nft -f",
        f"# What passes the firewalls of site {site}, and nothing else.",
        "table inet perimeter",
        "delete table inet perimeter",
        "",
        "table inet perimeter {",
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        "    ct state established,related accept",
        "    ct state invalid counter drop",
    ]
    for passage in found:
        words = []
        if passage.sources:
            words.append(f"ip saddr {{ {', '.join(passage.sources)} }}")
        elif passage.from_zone == "public":
            words.append(f"ip saddr != {{ {supernets} }}")
        if passage.outside:
            words.append(f"ip daddr != {{ {supernets} }}")
        else:
            words.append(f"ip daddr {{ {', '.join(passage.targets)} }}")
        ports = ", ".join(str(port) for port in passage.ports)
        comment = f"{passage.from_zone} to {passage.to_zone}: {passage.purpose}"
        words.append(f'{passage.protocol} dport {{ {ports} }} counter accept comment "{comment}"')
        lines.append(f"    {' '.join(words)}")
    return "\n".join([*lines, '    counter comment "refused"', "  }", "}", ""])
