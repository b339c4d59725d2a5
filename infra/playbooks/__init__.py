"""The playbooks over a fleet: inventory from the stack's outputs, one run with live progress, one result."""

from infra.playbooks.choice import Choice
from infra.playbooks.configure import ConfigureResult, configure, inventory_of

__all__ = ["Choice", "ConfigureResult", "configure", "inventory_of"]
