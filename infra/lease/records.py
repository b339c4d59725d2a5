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
    """What happened to one drive. `by hand` means that the BMC offers no erasure: the vendor signs for it instead."""

    drive: str
    model: str
    serial: str
    gb: float
    method: Literal["SecureErase", "by hand"]


class ErasureRecord(Record):
    """One server's data, gone: who held it, on which drives, and how they were erased."""

    server: str
    environment: str
    erased_at: dt.datetime
    bmc: BmcPlace
    hardware: Hardware
    leases: tuple[LeaseTerms, ...]
    drives: tuple[DriveErasure, ...] = Field(description="empty when the BMC reports none: then by hand as a whole")

    @property
    def complete(self) -> bool:
        """Whether every drive was erased by its own firmware, so that nobody has to sign."""
        return bool(self.drives) and all(drive.method == "SecureErase" for drive in self.drives)


def write_erasure(record: ErasureRecord) -> Path:
    """Write the record beside the others of its environment (mode 0600) and return its path."""
    moment = record.erased_at.strftime("%Y%m%dT%H%M%S%fZ")
    path = state_dir(record.environment) / "records" / "erasure" / f"{record.server}-{moment}.json"
    text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    write_text(path, text, mode=0o600)
    return path
