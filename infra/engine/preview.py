"""A preview as data: what each layer would change, which servers, and both sides of the ledger for the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation import EngineEvent
from pydantic import ValidationError

from capacity.progress import Progress
from infra.engine.show import PolicyNote, Show, plain, policy_note
from infra.gates.rules import CLOSED
from infra.lease.model import SERVER_TYPE, LeaseTerms

_CHANGING = frozenset({"create", "update", "delete", "replace", "create-replacement", "delete-replaced"})


@dataclass(slots=True)
class LayerPreview:
    """What `up` would do to one layer: resources by operation, servers that change, and remarks of the engine."""

    layer: str
    counts: dict[str, int] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)
    before: dict[str, tuple[LeaseTerms, ...]] = field(default_factory=dict)
    after: dict[str, tuple[LeaseTerms, ...]] = field(default_factory=dict)
    policies: list[PolicyNote] = field(default_factory=list)
    gate: str = ""
    """Why the gate of the phase is closed; empty when it is open or not asked."""

    @property
    def refused(self) -> bool:
        """Whether `up` would refuse: a mandatory policy is broken, or the gate is closed."""
        return bool(self.gate) or any(note.level == "mandatory" for note in self.policies)

    @property
    def changes(self) -> int:
        """How many resources would change."""
        return sum(count for kind, count in self.counts.items() if kind != "same")


class Collect:
    """An event callback that fills a LayerPreview and passes the event on to the progress display."""

    def __init__(self, layer: str, progress: Progress) -> None:
        self.found = LayerPreview(layer)
        self._show = Show(progress, layer)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        if (diagnostic := event.diagnostic_event) and plain(diagnostic.message).startswith(CLOSED):
            self.found.gate = plain(diagnostic.message)
            return
        self._show(event)
        if pre := event.resource_pre_event:
            self._resource(pre.metadata)
        elif policy := event.policy_event:
            self.found.policies.append(policy_note(policy))

    def _resource(self, step: Any) -> None:
        kind = str(getattr(step.op, "value", step.op))
        self.found.counts[kind] = self.found.counts.get(kind, 0) + 1
        if step.type != SERVER_TYPE:
            return
        operation = kind
        name = step.urn.rpartition("::")[2]
        if operation in _CHANGING:
            changed = ", ".join(sorted(step.detailed_diff or step.diffs or ()))
            self.found.servers[name] = f"{operation} ({changed})" if changed else operation
        if step.old is not None:
            self.found.before[name] = _terms(step.old.inputs)
        if step.new is not None and operation != "delete":
            self.found.after[name] = _terms(step.new.inputs)


def _terms(inputs: Mapping[str, Any]) -> tuple[LeaseTerms, ...]:
    try:
        return tuple(LeaseTerms.model_validate(line) for line in inputs.get("leases", ()))
    except ValidationError:
        return ()  # written by another version of the program; the next `up` writes it anew
