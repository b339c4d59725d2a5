"""The playbooks over a fleet: inventory from the stack's outputs, one run with live progress, one result."""

from infra.playbooks.configure import Choice, ConfigureResult, configure

__all__ = ["Choice", "ConfigureResult", "configure"]
