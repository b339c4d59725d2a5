"""In which physical rack a server stands, and where its BMC answers. Pure functions of the server's name and index."""

from __future__ import annotations

from capacity.leaseplan import LeasedServer


def rack_of(server: LeasedServer, racks_per_site: int) -> str:
    """The rack's name. Servers of one role alternate over the racks of their site, so that one rack never holds a
    database and its replica, or more than its share of any role. It follows from the index alone, for good."""
    return f"{server.site}-rack-{(server.index - 1) % racks_per_site + 1:02d}"
