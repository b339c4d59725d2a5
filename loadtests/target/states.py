"""The life of an application: one table of allowed transitions, and the rule that picks the first review."""

from __future__ import annotations

from typing import Literal

State = Literal["draft", "nik_checked", "in_review", "returned", "approved", "rejected", "issued"]
Outcome = Literal["approve", "reject", "return"]

TRANSITIONS: dict[State, frozenset[State]] = {
    "draft": frozenset({"nik_checked"}),
    "nik_checked": frozenset({"in_review", "approved"}),
    "in_review": frozenset({"approved", "rejected", "returned"}),
    "returned": frozenset({"in_review", "approved"}),
    "approved": frozenset({"issued"}),
    "rejected": frozenset(),
    "issued": frozenset(),
}
DECISIONS: dict[Outcome, State] = {"approve": "approved", "reject": "rejected", "return": "returned"}


def sources(target: State) -> list[State]:
    """The states from which `target` may be reached: what an UPDATE puts into its WHERE clause."""
    return [source for source, targets in TRANSITIONS.items() if target in targets]


def after_submit(risk: str, priority: bool) -> State:
    """Low-risk business is approved by rule; higher risk and priority projects go before an officer."""
    return "in_review" if priority or risk != "low" else "approved"
