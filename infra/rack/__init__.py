"""The rack: leased servers on one machine, as system containers that are powered through a real Redfish service.

    up(spec, progress)      see that the rack is as the spec says; servers are delivered switched off
    status(name)            what stands, what is on, what it uses
    down(name, progress)    remove all of it

All three may be repeated, and run after a kill at any moment of the one before. See docs/rack.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.rack.lifecycle import RackHandle, down, status, up
    from infra.rack.report import RackStatus, ServerStatus
    from infra.rack.spec import DEFAULT_NAME, DEFAULT_SUPERNET, Mount, PortMap, RackServer, RackSpec

__all__ = [
    "DEFAULT_NAME",
    "DEFAULT_SUPERNET",
    "Mount",
    "PortMap",
    "RackHandle",
    "RackServer",
    "RackSpec",
    "RackStatus",
    "ServerStatus",
    "down",
    "status",
    "up",
]

_PLACES = {
    "lifecycle": ("RackHandle", "down", "status", "up"),
    "report": ("RackStatus", "ServerStatus"),
    "spec": ("DEFAULT_NAME", "DEFAULT_SUPERNET", "Mount", "PortMap", "RackServer", "RackSpec"),
}


def __getattr__(name: str) -> Any:
    """Read only when asked for: stacks and controllers need the spec alone, and start many times a day."""
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"infra.rack.{module}"), name)
    raise AttributeError(name)
