"""Engine events as progress: what is being done, how many resources are done, and what went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.automation import EngineEvent, PolicyEvent

from capacity.progress import Progress

_COLOUR = re.compile(r"<\{%[^%]*%\}>")
_EXPECTED = re.compile(r"using pulumi-\S+ from \$PATH at ")  # that is how this project's plugins are found
_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "removing",
    "replace": "replacing",
    "create-replacement": "replacing",
    "delete-replaced": "returning",
    "refresh": "reading",
    "read": "reading",
}


_REMEDY = "\nremedy: "


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """What a policy of the pack said: a refusing (`mandatory`) or a passing (`advisory`) remark, and its remedy."""

    policy: str
    level: str
    problem: str
    remedy: str


def policy_note(event: PolicyEvent) -> PolicyNote:
    """A policy's event as a note: after the description the pack writes `name: problem`, and the remedy below."""
    text, _, remedy = plain(event.message).partition(_REMEDY)
    name, _, problem = (text.partition("\n")[2] or text).partition(": ")
    return PolicyNote(name if problem else event.policy_name, event.enforcement_level, problem or name, remedy)


class Show:
    """An event callback that keeps a `Progress` informed. Diagnostics are kept for the error message."""

    def __init__(self, progress: Progress, layer: str) -> None:
        self._progress = progress
        self._layer = layer
        self._open: dict[str, str] = {}
        self._done = 0
        self.policies: list[PolicyNote] = []
        self.counts: dict[str, int] = {}
        """How many resources each operation touched, once the run has ended."""

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        if pre := event.resource_pre_event:
            operation = str(getattr(pre.metadata.op, "value", pre.metadata.op))
            if operation in _DOING:
                self._open[pre.metadata.urn] = f"{_DOING[operation]} {pre.metadata.urn.rpartition('::')[2]}"
                self._tell()
        elif outputs := event.res_outputs_event:
            if self._open.pop(outputs.metadata.urn, None):
                self._done += 1
                self._tell()
        elif failed := event.res_op_failed_event:
            self._open.pop(failed.metadata.urn, None)
        elif policy := event.policy_event:
            self.policies.append(policy_note(policy))
        elif summary := event.summary_event:
            self.counts = counted(summary.resource_changes)
        elif (diagnostic := event.diagnostic_event) and diagnostic.severity in ("warning", "info"):
            text = plain(diagnostic.message)
            if diagnostic.ephemeral:
                self._progress.update(f"{self._layer}: {text}")
            elif diagnostic.severity == "warning" and not _EXPECTED.match(text):
                self._progress.note(f"{self._layer}: {text}")

    def _tell(self) -> None:
        doing = next(iter(self._open.values()), "")
        more = f" and {len(self._open) - 1} more" if len(self._open) > 1 else ""
        self._progress.update(
            f"{self._layer}: {doing}{more}; {self._done} done" if doing else f"{self._layer}: {self._done} done"
        )


def counted(changes: Mapping[Any, int] | None) -> dict[str, int]:
    """How many resources each operation touched, by the operation's plain name."""
    return {str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items()}


def plain(text: str) -> str:
    """A message of the engine without its colour marks."""
    return _COLOUR.sub("", text).strip()
