"""What the engine says of policies and gates, as data and as exit codes."""

from __future__ import annotations

import pytest
from pulumi.automation import CommandError, CommandResult, DiagnosticEvent, EngineEvent, PolicyEvent

from capacity.faults import Exit
from capacity.progress import Silent
from infra.engine.failures import EngineNoGo, failure
from infra.engine.preview import Collect
from infra.engine.show import PolicyNote, policy_note
from infra.gates.rules import CLOSED, Decision, GateClosed, Requirement
from infra.policies.rules import Remark
from stacks.governance import PolicyRefused

GATE = GateClosed("production", Decision(2, (Requirement("load_test", False, "there is none", "oss rehearse"),)))
POLICY = PolicyRefused("production", [Remark("lease-end", "mandatory", "a-01", "its lease ended", "Return it.")])


def policy_event(level: str, message: str) -> PolicyEvent:
    return PolicyEvent(message, "", "refuses", "oss-fleet", "0.0.1", "", level)


def diagnostic(message: str, severity: str = "warning") -> EngineEvent:
    return EngineEvent(1, 0, diagnostic_event=DiagnosticEvent(message, "", severity))


@pytest.mark.parametrize("error", [GATE, POLICY])
def test_a_refusal_inside_a_program_is_a_no_go_with_every_word_of_it(error: GateClosed | PolicyRefused) -> None:
    told = str(error).replace("\n", "\n    ")
    output = f"Diagnostics:\n  pulumi:pulumi:Stack (oss-production.fleet):\n    error: {told}\n\nResources:\n"
    made = failure("production.fleet", CommandError(CommandResult(stdout=output, stderr="", code=255)))
    assert isinstance(made, EngineNoGo)
    assert made.exit_code == Exit.NO_GO
    for line in str(error).splitlines():
        assert line.strip() in str(made)


def test_a_remark_of_the_pack_is_taken_apart() -> None:
    event = policy_event(
        "mandatory", "Everything is as it should be.\nlease-end: a-01: its lease ended\nremedy: Return it."
    )
    assert policy_note(event) == PolicyNote("lease-end", "mandatory", "a-01: its lease ended", "Return it.")


def test_a_preview_would_be_refused_by_what_is_mandatory_or_by_a_gate() -> None:
    collect = Collect("fleet", Silent())
    collect(EngineEvent(1, 0, policy_event=policy_event("advisory", "x\na\nremedy: b")))
    assert not collect.found.refused
    collect(diagnostic(str(GATE)))
    assert collect.found.refused
    assert collect.found.gate.startswith(CLOSED)
    collect = Collect("fleet", Silent())
    collect(EngineEvent(1, 0, policy_event=policy_event("mandatory", "x\na\nremedy: b")))
    assert collect.found.refused
