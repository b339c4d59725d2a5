"""What can go wrong, and the exit code of each cause.

One hierarchy for the whole project. A fault in the input is a record (where, what, remedy), and all
faults of a run are raised together; nothing is written before the input is known to be sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `oss`, one a cause."""

    GO = 0
    NO_GO = 1
    BAD_INPUT = 2
    INFEASIBLE = 3
    MACHINE_LACKS = 4
    STEP_FAILED = 5
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one input: the file, the path inside it, the value found, and what to do."""

    file: str
    path: str
    value: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = ": ".join(filter(None, (self.file, self.path)))
        found = f" (found {self.value})" if self.value else ""
        return f"{where}: {self.problem}{found}. {self.remedy}"


class OssError(Exception):
    """An error that a user can act on: a message, a remedy and an exit code. Never shown as a traceback."""

    exit_code: Exit = Exit.STEP_FAILED

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class BadInput(OssError):
    """Everything wrong with the input files of one command, at once."""

    exit_code = Exit.BAD_INPUT

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        head = f"{count} fault{'s' if count != 1 else ''} in the input; nothing was changed"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))


class Infeasible(OssError):
    """No plan meets the constraints; the remedy names the constraint to relax and by how much."""

    exit_code = Exit.INFEASIBLE


class MachineLacks(OssError):
    """The machine misses a program, a right or a kernel feature; the remedy says how to get it."""

    exit_code = Exit.MACHINE_LACKS


class StepFailed(OssError):
    """A program or service that a step depends on failed; the message carries its last words."""

    exit_code = Exit.STEP_FAILED
