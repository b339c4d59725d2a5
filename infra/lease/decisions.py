"""Decisions on leases after the lease plan: renewed, replaced, returned, moved. One file an environment, oldest first.

The lease plan is what was planned; this file is what was decided since, by whom and why. `oss lease` appends to it,
people review it like any change, and every part that reads the plan for an environment reads both (`decided.py`).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from capacity.documents import REPOSITORY, Document, load, sha256, to_yaml, write_text

HEADER = "Decisions on leases since the lease plan, oldest first. `oss lease` appends; see docs/leases.md."


_SUBJECTS = ("line", "server", "spare", "name")


class _Decision(Document):
    """Who decided, when and why."""

    by: str = Field(min_length=2, description="who answers for it")
    on: dt.date
    reason: str = ""

    @property
    def about(self) -> frozenset[str]:
        """The servers and lease lines that it names."""
        said = self.said
        return frozenset(filter(None, (*(str(said.get(k, "")) for k in _SUBJECTS), *said.get("servers", ()))))

    @property
    def said(self) -> dict[str, Any]:
        """What was decided, whoever decided it and when."""
        return self.model_dump(exclude={"by", "on", "reason"})


class Sign(_Decision):
    """A lease line has a signed contract."""

    action: Literal["sign"] = "sign"
    line: str
    contract: str = Field(min_length=1, description="the contract's number")


class Renew(_Decision):
    """A lease line runs on until `until`, at its rent, or at another one under a line of its own."""

    action: Literal["renew"] = "renew"
    line: str
    until: dt.date = Field(description="first day without a lease")
    monthly_rent_idr: int | None = Field(default=None, ge=0, description="rupiah a server a month, before VAT")
    quotation: str | None = Field(default=None, description="reference of the quotation of the new rent")


class Replace(_Decision):
    """A server's machine is given back. A spare takes over its name, role and address, or a new one is on order."""

    action: Literal["replace"] = "replace"
    server: str
    spare: str = Field(default="", description="server of the plan whose machine takes over; empty: none")
    lost: str = Field(default="", description="why the old machine cannot be erased over its BMC; empty: it can")


class Deliver(_Decision):
    """A machine that was on order stands where the plan says, and its BMC answers."""

    action: Literal["deliver"] = "deliver"
    server: str


class Return(_Decision):
    """Servers leave the fleet for good: erased, with a record, and given back before or at the end of their lease."""

    action: Literal["return"] = "return"
    servers: tuple[str, ...] = Field(min_length=1)
    lost: str = Field(default="", description="why their machines cannot be erased over their BMCs; empty: they can")


class Move(_Decision):
    """A server stands in another rack, or goes to another site, where it has another name and address."""

    action: Literal["move"] = "move"
    server: str
    rack: str = Field(default="", description="name of the rack it stands in from now on")
    site: str = Field(default="", description="the site that it goes to")
    name: str = Field(default="", description="its name there, of the role's next free index; with `site` only")


Decision = Annotated[Sign | Renew | Replace | Deliver | Return | Move, Field(discriminator="action")]


class Decisions(Document):
    """The file `stacks/Ledger.<env>.yaml`."""

    version: Literal[1] = 1
    decisions: tuple[Decision, ...] = ()


def decisions_file(environment: str, project: Path = REPOSITORY) -> Path:
    """Where an environment's decisions are, beside its stack files."""
    return project / "stacks" / f"Ledger.{environment}.yaml"


def read_decisions(path: Path) -> Decisions:
    """The decisions at `path`; none without a file. Raises BadInput with every fault of the file."""
    return load(Decisions, path) if path.exists() else Decisions()


def write_decisions(path: Path, made: Decisions) -> None:
    """Write them, oldest first."""
    write_text(path, to_yaml(made, HEADER))


def decisions_hash(path: Path) -> str:
    """SHA-256 of the file; empty without one."""
    return sha256(path) if path.exists() else ""
