"""The rack's processes: started once, found again, and nobody else's ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capacity.faults import StepFailed
from infra.rack.daemons import Daemon, command_line, end_process, start_time


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Waiting(f"daemon{tmp_path.name}", "web", "tests.infra.rack.waiting", tmp_path / "run")
    yield made
    made.stop()


class Waiting(Daemon):
    """The process of `waiting.py`, which says that it is there and waits for its end."""

    def begin(self, *arguments: str, offset: int = 0) -> bool:
        return self.start(list(arguments), lambda: "waiting" in self.log.read_text()[offset:])


def test_started_once_and_found_again(daemon: Waiting) -> None:
    assert daemon.begin("one")
    pid = daemon.pid()
    assert pid is not None
    again = Waiting(daemon.rack, daemon.name, daemon.module, daemon.folder)
    assert again.pid() == pid
    assert not again.begin("one"), "a second start changes nothing"
    assert daemon.pid() == pid
    assert daemon.begin("two", offset=len(daemon.log.read_text())), "other arguments ask for another process"
    assert daemon.pid() != pid
    assert start_time(pid) is None
    assert daemon.stop()
    assert not daemon.stop()


def test_a_stranger_with_the_recorded_pid_is_left_alone(daemon: Waiting) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        daemon.folder.mkdir()
        record = {"pid": stranger.pid, "start_time": start_time(stranger.pid)}
        (daemon.folder / "web.pid").write_text(json.dumps(record))
        assert daemon.pid() is None, "right pid and start time, but not our program"
        daemon.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_whose_record_was_lost_is_ended_too(daemon: Waiting) -> None:
    daemon.begin("one")
    pid = daemon.pid()
    assert pid is not None
    (daemon.folder / "web.pid").unlink()
    assert daemon.pid() is None
    assert daemon.stop()
    assert start_time(pid) is None


def test_another_racks_process_stays(daemon: Waiting, tmp_path: Path) -> None:
    other = Waiting(daemon.rack + "b", daemon.name, daemon.module, tmp_path / "other")
    other.begin("one")
    try:
        daemon.begin("one")
        daemon.stop()
        assert other.pid() is not None
    finally:
        other.stop()


def test_a_process_that_ends_at_once_is_reported_with_its_words(daemon: Waiting) -> None:
    with pytest.raises(StepFailed, match=r"ended with code 3.*cannot go on"):
        daemon.begin("fail")
    assert daemon.pid() is None


def test_a_process_that_is_still_starting_is_told_once_it_listens(
    daemon: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    daemon.begin("--gate", str(gate))
    pid, sleep = daemon.pid(), time.sleep

    def opens_the_gate(seconds: float) -> None:
        if gate.exists():
            gate.write_bytes(b"go on")
            gate.unlink()
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", opens_the_gate)
    daemon.reload()
    deadline = time.monotonic() + 10
    while "told" not in daemon.log.read_text() and time.monotonic() < deadline:
        sleep(0.01)
    assert "told" in daemon.log.read_text()
    assert daemon.pid() == pid


def test_a_process_that_takes_no_changes_is_reported(daemon: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.rack.daemons.READY_SECONDS", 0.2)
    daemon.begin("one")
    with pytest.raises(StepFailed, match="web takes no changes"):
        daemon.reload()
    assert daemon.pid() is not None
    daemon.stop()
    with pytest.raises(StepFailed, match="web ended while"):
        daemon.reload()


def test_a_deaf_process_is_killed(daemon: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.rack.daemons.STOP_SECONDS", 0.5)
    daemon.begin("deaf")
    pid = daemon.pid()
    assert pid is not None
    assert "deaf" in command_line(pid)
    end_process(pid)
    deadline = time.monotonic() + 10
    while start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert start_time(pid) is None
