"""What a run tells: counts, changes, and failures with their own words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from capacity.faults import StepFailed
from infra.playbooks.course import MESSAGE_LENGTH, Course, message
from infra.playbooks.runner import PLAYBOOKS
from infra.playbooks.tasks import expected_tasks


class Told:
    def __init__(self) -> None:
        self.updates: list[tuple[str, float | None, float | None]] = []
        self.notes: list[str] = []

    def update(self, what: str, done: float | None = None, total: float | None = None) -> None:
        self.updates.append((what, done, total))

    def note(self, message: str) -> None:
        self.notes.append(message)


def event(kind: str, host: str = "a", task: str = "Write", stdout: str = "", **data: Any) -> dict[str, Any]:
    return {"event": kind, "stdout": stdout, "event_data": {"host": host, "task": task, "role": "base", **data}}


def test_what_is_left_is_told_and_never_runs_past_the_end() -> None:
    told = Told()
    course = Course(2, 3, told)
    for _ in range(5):
        course.event(event("runner_on_ok", res={}))
    assert [(done, total) for _, done, total in told.updates] == [(1, 3), (2, 3), (3, 3), (3, 3), (3, 3)]
    assert "a: base: Write" in told.updates[0][0]


def test_changes_are_kept_with_what_changed_even_when_the_result_is_hidden() -> None:
    course = Course(1, 3, Told())
    course.event(event("runner_on_ok", res={"changed": True, "changes": ["restart etcd.service"]}))
    course.event(event("runner_on_ok", task="Keys", res={"censored": "hidden"}, stdout="changed: [a]"))
    course.event(event("runner_on_ok", task="Quiet", res={"censored": "hidden"}, stdout="ok: [a]"))
    assert course.changed == {"a": ["base: Write (restart etcd.service)", "base: Keys"]}
    course.judge("successful", 0, "")


def test_every_failure_is_named_with_server_role_task_and_remedy() -> None:
    course = Course(3, 3, Told())
    course.event(event("runner_on_failed", res={"msg": "nft: syntax error"}))
    course.event(event("runner_on_failed", host="b", res={"msg": "tolerated"}, ignore_errors=True))
    course.event(event("runner_on_unreachable", host="c", res={"msg": "Host key verification failed."}))
    with pytest.raises(StepFailed) as caught:
        course.judge("failed", 2, "")
    assert "failed on 2 of 3 servers" in caught.value.message
    assert "a: base: Write: nft: syntax error" in caught.value.message
    assert "c: base: Write: not reached over ssh: Host key verification failed." in caught.value.message
    assert "tolerated" not in caught.value.message
    assert caught.value.remedy


def test_a_run_that_ends_without_a_failed_task_shows_its_last_words() -> None:
    with pytest.raises(StepFailed, match="unexpected indent"):
        Course(1, 1, Told()).judge("failed", 4, "ERROR! unexpected indent")


def test_hidden_and_looped_results_have_a_message_too() -> None:
    assert "hidden" in message({"censored": "x", "msg": "pa55word"})
    assert "pa55word" not in message({"censored": "x", "msg": "pa55word"})
    loop = {"msg": "One or more items failed", "results": [{"failed": True, "msg": "no such unit"}, {"msg": "fine"}]}
    assert message(loop) == "One or more items failed no such unit"
    assert len(message({"msg": "x" * 9999})) == MESSAGE_LENGTH


def test_debug_messages_reach_the_reader() -> None:
    told = Told()
    Course(1, 1, told).event(event("runner_on_ok", task_action="ansible.builtin.debug", res={"msg": "no clock here"}))
    assert told.notes == ["no clock here"]


def test_the_expected_number_grows_by_the_same_for_each_server_of_a_role() -> None:
    def made(workers: int) -> dict[str, Any]:
        names = [f"w{i}" for i in range(workers)]
        hosts: dict[str, Any] = {name: {"kubernetes_node": "worker", "kubernetes_binaries": "/x"} for name in names}
        hosts["c"] = {"kubernetes_node": "control", "kubernetes_binaries": "/x"}
        children: dict[str, Any] = {"worker": {"hosts": {name: {} for name in names}}, "control": {"hosts": {"c": {}}}}
        return {"all": {"hosts": hosts, "children": children}}

    counts = [expected_tasks(PLAYBOOKS / "site.yml", made(n)) for n in range(4)]
    steps = [after - before for before, after in pairwise(counts)]
    assert counts[0] > 10
    assert len(set(steps)) == 1
    assert steps[0] > 10
