"""How a run of the playbooks goes: counts, what changed, what failed, and what of it people are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from capacity.faults import StepFailed
from capacity.progress import Progress

MESSAGE_LENGTH = 1500
MANY = 6


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed: where, what, and what the module said."""

    host: str
    task: str
    message: str

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: {self.message}"


@dataclass
class Course:
    """The state of a run. `total` task runs are to be expected, maybe a few less; None where that is not known."""

    hosts: int
    total: int | None
    progress: Progress
    ok: int = 0
    skipped: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    noted: set[str] = field(default_factory=set)

    def event(self, event: Mapping[str, Any]) -> bool:
        """Take one event of ansible-runner; False, so that it keeps none on disk."""
        data = event.get("event_data") or {}
        host, task = str(data.get("host", "")), str(data.get("task", ""))
        name = f"{data['role']}: {task}" if data.get("role") else task
        result = data.get("res") or {}
        match event.get("event"):
            case "runner_on_start":
                self._show(f"{host}: {name}")
            case "runner_on_ok":
                self.ok += 1
                if did_change(result, str(event.get("stdout", ""))):
                    self.changed.setdefault(host, []).append(name + details(result))
                if data.get("task_action", "").endswith("debug") and result.get("msg"):
                    self._note(str(result["msg"]))
                self._show(f"{host}: {name}")
            case "runner_on_skipped":
                self.skipped += 1
            case "runner_on_failed" if not data.get("ignore_errors"):
                self.failures.append(Failure(host, name, message(result)))
            case "runner_on_unreachable":
                self.failures.append(Failure(host, name, f"not reached over ssh: {message(result)}"))
        return False

    def _note(self, words: str) -> None:
        """Pass on what a task says, once for all servers that say the same."""
        if words not in self.noted:
            self.noted.add(words)
            self.progress.note(words)

    def judge(self, status: str, code: int | None, last_words: str) -> None:
        """Raise StepFailed when the run did not succeed."""
        if self.failures:
            listing = "\n".join(f"  {failure}" for failure in self.failures)
            servers = len({failure.host for failure in self.failures})
            raise StepFailed(
                f"the playbooks failed on {servers} of {self.hosts} servers\n{listing}",
                "Mend the cause and run it again: what is done already is left alone.",
            )
        if status != "successful":
            words = "\n".join(f"  {line}" for line in last_words.splitlines())
            raise StepFailed(f"the playbooks ended as {status} (exit code {code})\n{words}", "Run it again.")

    def _show(self, what: str) -> None:
        done = self.ok + self.skipped
        known = done if self.total is None else min(done, self.total)
        self.progress.update(f"{what}, task", known, self.total)


def did_change(result: Mapping[str, Any], shown: str) -> bool:
    """Whether a task changed something. Of a hidden result only the printed line says so."""
    if "censored" in result:
        return "changed: [" in shown
    return bool(result.get("changed"))


def details(result: Mapping[str, Any]) -> str:
    """What our own modules say they changed."""
    what = [*result.get("changes", ()), *result.get("changed_paths", ())]
    more = [f"{len(what) - MANY} more"] if len(what) > MANY else []
    return f" ({', '.join([*what[:MANY], *more])})" if what else ""


def message(result: Any) -> str:
    """What a failed module said, in its own words, short enough to read."""
    if not isinstance(result, dict):
        return "no message"
    if result.get("censored"):
        return "its output is hidden, since it handles secrets; look at the server's own log"
    words = [str(result[key]).strip() for key in ("msg", "stderr", "stdout") if result.get(key)]
    loops = [message(item) for item in result.get("results", ()) if isinstance(item, dict) and item.get("failed")]
    return " ".join(dict.fromkeys([*words, *loops]))[:MESSAGE_LENGTH] or "no message"
