"""One run of the playbooks by ansible-runner, in a private folder that is gone afterwards, with live progress."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from capacity.documents import REPOSITORY, write_text
from capacity.faults import MachineLacks, StepFailed
from capacity.progress import Progress

PLAYBOOKS = REPOSITORY / "playbooks"
RUN_TIMEOUT_S = 1800.0
FORKS = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed: where, what, and what the module said."""

    host: str
    task: str
    message: str


@dataclass
class Course:
    """How a run goes: counts, and the failures so far."""

    hosts: int
    progress: Progress
    ok: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def event(self, event: Mapping[str, Any]) -> bool:
        """Take one event of ansible-runner."""
        data = event.get("event_data") or {}
        host, task = str(data.get("host", "")), str(data.get("task", ""))
        role = data.get("role")
        name = f"{role}: {task}" if role else task
        match event.get("event"):
            case "runner_on_start":
                self.progress.update(f"{host}: {name}")
            case "runner_on_ok":
                self.ok += 1
                if (data.get("res") or {}).get("changed"):
                    self.changed.setdefault(host, []).append(name)
                self.progress.update(f"{host}: {name} done, {self.ok} tasks on {self.hosts} servers")
            case "runner_on_failed" if not data.get("ignore_errors"):
                self.failures.append(Failure(host, name, _message(data.get("res"))))
            case "runner_on_unreachable":
                self.failures.append(Failure(host, name, f"not reached over ssh: {_message(data.get('res'))}"))
        return False  # events are not kept on disk


def _message(result: Any) -> str:
    if not isinstance(result, dict):
        return "no message"
    if result.get("censored"):
        return "its output is hidden, since it handles secrets; look at the server's own log"
    words = [str(result[key]) for key in ("msg", "stderr", "stdout") if result.get(key)]
    return " ".join(words)[:800] or "no message"


def run_playbook(
    playbook: str,
    inventory: Mapping[str, Any],
    secrets: Mapping[str, Any],
    progress: Progress,
    options: Sequence[str] = (),
) -> Course:
    """Run to the end. Raises StepFailed naming every server and task that failed; Ctrl-C ends the children first."""
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise MachineLacks("ansible-playbook is not installed beside this Python", "Run `make setup`.")
    course = Course(len(inventory["all"]["hosts"]), progress)
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="oss-ansible-") as folder:
        private = Path(folder)
        private.chmod(0o700)
        write_text(private / "inventory.json", json.dumps(inventory), mode=0o600)
        write_text(private / "secrets.json", json.dumps(secrets), mode=0o600)
        thread, runner = ansible_runner.run_async(
            private_data_dir=folder,
            project_dir=str(PLAYBOOKS),
            playbook=playbook,
            inventory=str(private / "inventory.json"),
            cmdline=" ".join(["--extra-vars", f"@{private / 'secrets.json'}", "--forks", str(FORKS), *options]),
            envvars=_variables(program, private),
            event_handler=course.event,
            cancel_callback=stop.is_set,
            timeout=RUN_TIMEOUT_S,
            settings={"idle_timeout": 900},
            suppress_env_files=True,
            quiet=True,
        )
        try:
            while thread.is_alive():
                thread.join(0.2)
        except BaseException:
            stop.set()
            thread.join(30)
            raise
    _judge(course, runner)
    return course


def _variables(program: Path, private: Path) -> dict[str, str]:
    control = private / "ssh"
    control.mkdir(mode=0o700)
    return {
        "PATH": f"{program.parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "LC_ALL": "C.UTF-8",
    }


def _judge(course: Course, runner: Any) -> None:
    if course.failures:
        listing = "\n".join(f"  {f.host}: {f.task}: {f.message}" for f in course.failures)
        raise StepFailed(
            f"the playbooks failed on {len({f.host for f in course.failures})} of {course.hosts} servers\n{listing}",
            "Mend the cause and run it again: what is done already is left alone.",
        )
    if runner.status != "successful":
        last = _last_words(runner)
        raise StepFailed(f"the playbooks ended as {runner.status} (exit code {runner.rc}){last}", "Run it again.")


def _last_words(runner: Any) -> str:
    try:
        lines = [line for line in runner.stdout.read().splitlines() if line.strip()]
    except (OSError, AttributeError, ansible_runner.exceptions.AnsibleRunnerException):
        return ""
    return "\n  " + "\n  ".join(lines[-12:]) if lines else ""
