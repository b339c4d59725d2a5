"""Written records of what was done to a server's data, kept for good in the environment's state folder.

The registrations hold personal data: who returns a disk must be able to show what became of it. A record is written
before the server is released, and is never written over.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from capacity.documents import write_text
from infra.lease.contract import Hardware
from infra.lease.model import BmcPlace, LeaseTerms, Record
from infra.paths import state_dir


class DriveErasure(Record):
    """What happened to one drive. `by hand`: nothing was erased over the BMC, and somebody signs for it instead."""

    drive: str
    model: str
    serial: str
    gb: float
    method: Literal["SecureErase", "eraser image", "by hand"]


class ErasureRecord(Record):
    """One server's data, gone: who held it, on which drives, and how they were erased."""

    server: str
    environment: str
    erased_at: dt.datetime
    bmc: BmcPlace
    hardware: Hardware
    leases: tuple[LeaseTerms, ...]
    drives: tuple[DriveErasure, ...] = Field(description="empty when the BMC reports none: then by hand as a whole")
    remark: str = Field(default="", description="why nothing was erased over the BMC, and who answers for it")

    @property
    def complete(self) -> bool:
        """Whether every drive was erased over the BMC, so that nobody has to sign."""
        return bool(self.drives) and all(drive.method != "by hand" for drive in self.drives)


def write_erasure(record: ErasureRecord) -> Path:
    """Write the record beside the others of its environment (mode 0600) and return its path."""
    moment = record.erased_at.strftime("%Y%m%dT%H%M%S%fZ")
    path = erasure_folder(record.environment) / f"{record.server}-{moment}.json"
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    write_text(path, text, mode=0o600)
    return path


def erasure_folder(environment: str) -> Path:
    """Where an environment's records of erasure are."""
    return state_dir(environment) / "records" / "erasure"


def read_erasures(environment: str) -> tuple[tuple[Path, ErasureRecord], ...]:
    """Every record of an environment that can be read, the oldest first."""
    found = []
    for path in sorted(erasure_folder(environment).glob("*.json")):
        try:
            found.append((path, ErasureRecord.model_validate_json(path.read_bytes())))
        except (OSError, ValueError):
            continue  # it is kept for people all the same
    return tuple(sorted(found, key=lambda item: item[1].erased_at))
