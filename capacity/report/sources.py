"""Everything a report rests on, read and checked before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from capacity.documents import REPOSITORY, Document, load, sha256
from capacity.evidence import Evidence
from capacity.faults import BadInput, Fault
from capacity.inputs import Inputs, load_inputs
from capacity.leaseplan import LeasePlan, load_lease_plan, lock_path
from capacity.tables import read_rows

RULES = REPOSITORY / "capacity" / "data" / "rules.csv"
EVIDENCE = REPOSITORY / "evidence"
_YEAR = re.compile(r"(?:19|20)\d\d")


class Rule(Document):
    """One rule of law or practice; `in_force` names years in words, is `all`, or is empty when no text was found."""

    topic: str
    rule: str = Field(min_length=1)
    in_force: str
    source_title: str
    source_url: str
    confidence: str

    def covers(self, first: int, last: int) -> bool:
        """Whether it is in force in some year of first..last: `2018`, `2019+`, `2018-2019` or `all`."""
        years = [int(y) for y in _YEAR.findall(self.in_force)]
        if not years:
            return self.in_force.strip() == "all"
        # Only a range of two years ends: `2018` and `Oct 2018+` hold until something replaces them.
        closed = re.search(r"(?:19|20)\d\d\s*-\s*((?:19|20)\d\d)", self.in_force)
        return years[0] <= last and (closed is None or int(closed.group(1)) >= first)


@dataclass(frozen=True, slots=True)
class Sources:
    """A lease plan with its inputs, its hash, the rules, and the measurements there are."""

    plan: LeasePlan
    plan_hash: str
    inputs: Inputs
    rules: tuple[Rule, ...]
    evidence: tuple[Evidence, ...] = ()

    @property
    def measured(self) -> tuple[Evidence, ...]:
        """Evidence measured against this very plan, oldest first."""
        return tuple(e for e in self.evidence if e.plan_hash == self.plan_hash)


def read_sources(plan: Path, evidence: Path = EVIDENCE, rules: Path = RULES) -> Sources:
    """Read all of it. BadInput with every fault: a broken table, no lease plan, or one that its inputs have left."""
    faults: list[Fault] = []
    inputs = leased = table = None
    try:
        inputs = load_inputs(plan)
    except BadInput as error:
        faults += error.faults
    try:
        table = read_rows(Rule, rules)
    except BadInput as error:
        faults += error.faults
    try:
        leased = load_lease_plan(lock_path(plan))
    except BadInput as error:
        faults += error.faults
    if inputs is None or leased is None or table is None:
        raise BadInput(faults)
    return Sources(leased, sha256(lock_path(plan)), inputs, table, read_evidence(evidence))


def read_evidence(folder: Path) -> tuple[Evidence, ...]:
    """Every evidence file of a folder, oldest first. BadInput names the broken ones."""
    found: list[Evidence] = []
    faults: list[Fault] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(load(Evidence, path))
        except BadInput as error:
            faults += error.faults
    if faults:
        raise BadInput(faults)
    return tuple(sorted(found, key=lambda e: e.started))
