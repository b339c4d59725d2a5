"""The gate of a phase: what closes it, what opens it, and what of it is remembered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.documents import to_json
from capacity.evidence import FRESH, Evidence, Machine, StageResult
from capacity.faults import Exit
from capacity.leaseplan import LeasePlan
from infra.gates.reading import read_evidence
from infra.gates.rules import KINDS, Decision, GateClosed, asked, decide
from infra.settings import GateOverride
from tests.infra import plans

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HASH = "sha256:" + "a" * 64
RATES = {"portal": 8.0, "mobile": 2.0}


def _plan() -> LeasePlan:
    made = plans.plan()
    phases = [
        phase.model_copy(
            update={
                scale: getattr(phase, scale).model_copy(update={"class_rates_per_s": RATES})
                for scale in ("national", "rack")
            }
        )
        for phase in made.phases
    ]
    return made.model_copy(update={"phases": tuple(phases)})


PLAN = _plan()


def stage(journeys_per_s: float = 10.0, share: float = 1.0, label: str = "design") -> StageResult:
    return StageResult(
        label=label,
        warmup=False,
        held_out=False,
        started=NOW,
        duration_s=40.0,
        share=share,
        offered_journeys_per_s=journeys_per_s,
        achieved_journeys_per_s=journeys_per_s,
        offered_calls_per_s=50.0,
        achieved_calls_per_s=50.0,
        unsent=0,
        endpoints=(),
    )


def run(kind: str, days: float = 1.0, **changes: Any) -> Evidence:
    finished = NOW - dt.timedelta(days=days)
    made = Evidence.model_validate(
        {
            "version": 1,
            "run": f"{kind}-{days:g}",
            "kind": kind,
            "started": finished,
            "finished": finished,
            "plan": "test",
            "plan_hash": HASH,
            "phase": 2,
            "scale": "rack",
            "load_factor": 0.1,
            "profile": "rehearsal",
            "target": "https://127.97.2.11:8443",
            "seed": 1,
            "machine": Machine(cores=2, memory_gib=8, cpu="x", kernel="y"),
            "stages": (stage(),) if kind == "load_test" else (),
            "verdict": "passed",
            "reasons": ("every rule held",),
        }
    )
    return made.model_copy(update=changes)


def gate(*evidence: Evidence, override: GateOverride | None = None) -> Decision:
    return decide(PLAN, HASH, 2, evidence, override, NOW)


ALL = tuple(run(kind) for kind in KINDS)


def without(kind: str, *more: Evidence) -> Decision:
    return gate(*(e for e in ALL if e.kind != kind), *more)


def test_three_passed_runs_open_it() -> None:
    decision = gate(*ALL)
    assert decision.open
    assert not decision.missing
    record = decision.record(HASH, NOW)
    assert {e.kind for e in record.evidence} == set(KINDS)
    assert record.override is None


@given(st.sets(st.sampled_from(KINDS)))
def test_every_missing_kind_is_named_with_its_command(kinds: set[str]) -> None:
    decision = gate(*(e for e in ALL if e.kind not in kinds))
    assert {r.kind for r in decision.missing} == kinds
    assert decision.open is not bool(kinds)
    if kinds:
        said = str(GateClosed("production", decision))
        commands = {
            "load_test": "oss rehearse --phase 2 --keep",
            "restore_drill": "oss drill restore local",
            "failover_drill": "oss drill failover local",
        }
        for kind, command in commands.items():
            assert (command in said) is (kind in kinds)
        assert "nothing was changed" in said
        assert "--override-gate REASON --by NAME" in said


def test_a_closed_gate_is_a_no_go() -> None:
    assert GateClosed("production", gate()).exit_code == Exit.NO_GO


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda kind: run(kind, plan_hash="sha256:" + "b" * 64), "another lease plan"),
        (lambda kind: run(kind, days=FRESH.days + 1), "31 days old, at most 30 count"),
        (lambda kind: run(kind, verdict="failed", reasons=("too slow",)), "has failed: too slow"),
        (lambda kind: run(kind, verdict="invalid", reasons=("late",)), "was invalid: late"),
        (lambda kind: run(kind, phase=1), "there is none for phase 2"),
    ],
)
def test_evidence_that_proves_nothing(kind: str, spoil: Callable[[str], Evidence], words: str) -> None:
    decision = without(kind, spoil(kind))
    assert [r.kind for r in decision.missing] == [kind]
    assert words in decision.missing[0].reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": (stage(share=0.4, label="smoke"),), "profile": "smoke"}, "no stage at the design rate"),
        ({"stages": (stage(journeys_per_s=8.0),)}, "offered 320 journeys in stage design, the plan's rate makes 400"),
        ({"load_factor": 0.05}, "offered 0.05 of the nation's load instead of 0.1"),
    ],
)
def test_a_load_test_below_the_plans_rate(changes: dict[str, Any], words: str) -> None:
    assert words in without("load_test", run("load_test", **changes)).missing[0].reason


def test_chance_alone_closes_nothing() -> None:
    """400 journeys are expected; a Poisson process may well make 5 % fewer."""
    assert without("load_test", run("load_test", stages=(stage(journeys_per_s=9.5),))).open


def test_the_newest_judgement_counts() -> None:
    failed = run("restore_drill", days=0.5, verdict="failed", reasons=("checksums differ",))
    assert "checksums differ" in gate(*ALL, failed).missing[0].reason
    older = run("restore_drill", days=2, verdict="failed", reasons=("checksums differ",))
    assert gate(*ALL, older).open


def test_what_judges_nothing_does_not_hide_a_pass() -> None:
    assert gate(*ALL, run("load_test", days=0.1, stages=(stage(share=0.4),), profile="smoke")).open
    assert gate(*ALL, run("failover_drill", days=0.1, verdict="interrupted", reasons=("Ctrl-C",))).open
    assert gate(*ALL, run("failover_drill", days=0.1, plan_hash="sha256:" + "b" * 64)).open


TODAY = NOW.date()


def override(phase: int = 2, until: dt.date = TODAY) -> GateOverride:
    return GateOverride(phase=phase, by="Ani, operations", reason="the drill is booked for Friday", until=until)


def test_an_override_opens_it_and_is_remembered_with_what_was_missing() -> None:
    decision = gate(ALL[0], override=override())
    assert decision.open
    record = decision.record(HASH, NOW)
    assert record.override is not None
    assert record.override.by == "Ani, operations"
    assert len(record.override.missing) == 2
    assert [e.kind for e in record.evidence] == ["load_test"]


def test_an_override_that_nobody_needed_leaves_no_trace() -> None:
    assert gate(*ALL, override=override()).record(HASH, NOW).override is None


@pytest.mark.parametrize(
    ("given_", "words"),
    [(override(phase=3), "is for phase 3"), (override(until=TODAY - dt.timedelta(days=1)), "ended on 2026-02-28")],
)
def test_an_override_for_another_phase_or_time_does_not_count(given_: GateOverride, words: str) -> None:
    decision = gate(override=given_)
    assert not decision.open
    assert words in str(GateClosed("production", decision))


def test_gates_are_asked_where_the_nation_is_served_and_only_of_a_phase_that_is_to_start() -> None:
    assert asked("national", 1, 0)
    assert asked("national", 2, 1)
    assert not asked("national", 2, 2)
    assert not asked("national", 1, 2)
    assert not asked("rack", 2, 0)


def test_a_folder_of_evidence_and_what_is_none(tmp_path: Path) -> None:
    for evidence in ALL:
        (tmp_path / f"{evidence.run}.json").write_text(to_json(evidence))
    (tmp_path / "broken.json").write_text('{"version": 1')
    (tmp_path / "other.json").write_text('{"version": 1, "colour": "red"}')
    (tmp_path / "run.timeline.csv").write_text("second\n")
    found, unreadable = read_evidence(tmp_path)
    assert {e.run for e in found} == {e.run for e in ALL}
    assert len(unreadable) == 2
    assert read_evidence(tmp_path / "nowhere") == ((), ())
