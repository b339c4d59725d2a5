"""From what the Pulumi CLI printed to one of our errors: its diagnostics, without the noise around them."""

from __future__ import annotations

import re

from pulumi.automation import CommandError

from capacity.faults import BadInput, Exit, StepFailed
from infra.gates.rules import CLOSED
from infra.policies.rules import REFUSED

_REMEDY = "Mend what it says and run it again: what was done is written down and is not done twice."
_ERROR = re.compile(r"^\s*(?:error|\*\*\*\s*error):\s*", re.IGNORECASE)
_NOISE = ("code:", "stdout:", "warning: using pulumi-")
_BAD_INPUT_HEAD = re.compile(r"\d+ faults? in the input; nothing was changed")
_NO_GO_HEAD = re.compile(rf"{CLOSED} \d of \S+ is closed; nothing was changed|{REFUSED} ")


class EngineRefused(StepFailed):
    """A program refused its input; the same exit code as if a command had refused it."""

    exit_code = Exit.BAD_INPUT


class EngineNoGo(StepFailed):
    """A policy or a gate refused; the input itself is sound."""

    exit_code = Exit.NO_GO


def failure(stack: str, error: CommandError) -> StepFailed:
    """The error to raise for a failed CLI run.

    EngineRefused for bad input in the program, EngineNoGo for a closed gate or a policy, else StepFailed.
    """
    words = last_words(str(error))
    if _NO_GO_HEAD.search(words):
        return EngineNoGo(f"{stack}: {words}")
    if _BAD_INPUT_HEAD.search(words):
        return EngineRefused(f"{stack}: {words}")
    return StepFailed(f"{stack}: {words}", "" if "remedy:" in words else _REMEDY)


def last_words(text: str, limit: int = 40) -> str:
    """The diagnostics in the CLI's output, each once; its last lines where it gave none."""
    stdout, _, stderr = text.partition("stderr:")
    lines = [line.rstrip() for line in (stdout + "\n" + stderr).splitlines()]
    if "Diagnostics:" in lines:
        lines = lines[lines.index("Diagnostics:") + 1 :]
        end = next((at for at, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
        lines = lines[:end]
    else:
        start = next((at for at, line in enumerate(lines) if _ERROR.match(line)), max(0, len(lines) - 10))
        lines = lines[start:]
    kept = [line for line in dict.fromkeys(lines) if line.strip() and not line.strip().startswith(_NOISE)]
    return "\n".join(kept[:limit]).strip() or "it failed without a word"


__all__ = ["BadInput", "EngineNoGo", "EngineRefused", "failure", "last_words"]
