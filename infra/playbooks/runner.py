"""One run of the playbooks by ansible-runner, in a private folder that is gone afterwards, with live progress.

The folder holds the inventory and the secrets (mode 0700 and 0600). A run that is killed leaves it; the next one
removes it first, by the note that it kept in the environment's state folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ansible_runner

from capacity.documents import REPOSITORY, write_text
from capacity.faults import MachineLacks, StepFailed
from capacity.progress import Progress
from infra.playbooks.choice import Choice
from infra.playbooks.course import Course
from infra.playbooks.tasks import expected_tasks

PLAYBOOKS = REPOSITORY / "playbooks"
RUN_TIMEOUT_S = 1800.0
FORKS = 20
END_TIMEOUT_S = 30.0
_PREFIX = "oss-ansible-"


def run_playbook(
    playbook: str,
    inventory: Mapping[str, Any],
    secrets: Mapping[str, Any],
    state: Path,
    progress: Progress,
    choice: Choice,
) -> Course:
    """Run a playbook to its end. `state` is the environment's folder; one run at a time uses it.

    Raises StepFailed naming every server and task that failed, or that another run is under way, and MachineLacks.
    Ctrl-C ends Ansible and its connections before it goes on.
    """
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise MachineLacks("ansible-playbook is not installed beside this Python", "Run `make setup`.")
    total = expected_tasks(PLAYBOOKS / playbook, inventory) if choice.whole else None
    course = Course(len(inventory["all"]["hosts"]), total, progress)
    stop = threading.Event()
    with _private_folder(state) as private:
        write_text(private / "inventory.json", json.dumps(inventory), mode=0o600)
        write_text(private / "secrets.json", json.dumps(secrets), mode=0o600)
        thread, runner = ansible_runner.run_async(
            private_data_dir=str(private),
            project_dir=str(PLAYBOOKS),
            playbook=playbook,
            inventory=str(private / "inventory.json"),
            cmdline=" ".join(
                ["--extra-vars", f"@{private / 'secrets.json'}", "--forks", str(FORKS), *choice.options()]
            ),
            envvars=_variables(program, private),
            event_handler=course.event,
            cancel_callback=stop.is_set,
            timeout=RUN_TIMEOUT_S,
            suppress_env_files=True,
            quiet=True,
        )
        try:
            while thread.is_alive():
                thread.join(0.2)
        except BaseException:
            stop.set()
            thread.join(END_TIMEOUT_S)
            raise
        course.judge(runner.status, runner.rc, _last_words(runner))
    return course


@contextmanager
def _private_folder(state: Path) -> Iterator[Path]:
    note = state / "ansible-run"
    with (state / "ansible.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "Wait for it to end, then run it again."
            raise StepFailed("another run of the playbooks over this environment is under way", remedy) from None
        if note.exists():  # we hold its lock, so that run is dead
            _remove(Path(note.read_text(encoding="utf-8").strip()))
        # Not below the state folder: the path of a connection's socket may have 108 bytes.
        private = Path(tempfile.mkdtemp(prefix=_PREFIX))
        write_text(note, f"{private}\n", mode=0o600)
        try:
            (private / "ssh").mkdir(mode=0o700)
            yield private
        finally:
            _remove(private)
            note.unlink(missing_ok=True)


def _remove(private: Path) -> None:
    """End the kept connections, then remove the folder. A name that we did not make is left alone."""
    if not private.name.startswith(_PREFIX) or private.is_symlink():
        return
    for socket in sorted((private / "ssh").glob("*")) if private.is_dir() else ():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "none"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=END_TIMEOUT_S,
        )
    shutil.rmtree(private, ignore_errors=True)


def _variables(program: Path, private: Path) -> dict[str, str]:
    return {
        "PATH": f"{program.parent}:{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "ssh"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_HOME": str(private / "home"),
        "LC_ALL": "C.UTF-8",
    }


def _last_words(runner: Any) -> str:
    try:
        lines = [line for line in runner.stdout.read().splitlines() if line.strip()]
    except (OSError, AttributeError, ansible_runner.exceptions.AnsibleRunnerException):
        return ""
    return "\n".join(lines[-12:])
