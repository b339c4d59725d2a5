"""What of a gate stays in the fleet stack's outputs: when it opened, on which evidence, or by whose word."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from capacity.documents import Document


class GateEvidence(Document):
    """One run that a gate opened on."""

    kind: str
    run: str
    finished: dt.datetime


class GateOverrideRecord(Document):
    """Who let a phase start without its evidence, why, and what was missing."""

    by: str
    reason: str
    until: dt.date
    missing: tuple[str, ...]


class GateRecord(Document):
    """One phase that was let start. `plan_hash` is that of the lease plan which it started from."""

    phase: int = Field(ge=1, le=3)
    plan_hash: str
    opened: dt.datetime
    evidence: tuple[GateEvidence, ...]
    override: GateOverrideRecord | None = None
