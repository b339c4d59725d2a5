"""What the machine has: packages, kernel, and the doctor's table."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capacity.faults import Exit, MachineLacks
from infra.rack import machine
from infra.toolchain import debian, doctor, kernel
from oss import cli
from tests.infra.toolchain.notes import Notes

MISSING = debian.Program("no-such-program", "no-such-package", "a test")


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PROGRAMS", (*debian.PROGRAMS, MISSING))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert MISSING in debian.missing()
    with pytest.raises(MachineLacks, match="no-such-program") as caught:
        debian.ensure(Notes())
    assert caught.value.remedy.startswith("sudo apt-get install")
    assert "no-such-package" in caught.value.remedy


def test_nothing_is_installed_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PROGRAMS", (debian.Program("sh", "dash", "a test"),))
    notes = Notes()
    assert debian.ensure(notes) == []
    assert notes.lines == []


def test_the_ban_on_service_starts_ends_with_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "_POLICY", policy)
    with debian._no_service_starts():
        assert subprocess.run([policy], check=False, timeout=10).returncode == 101
    assert not policy.exists()
    with contextlib.suppress(KeyboardInterrupt), debian._no_service_starts():
        raise KeyboardInterrupt
    assert not policy.exists()
    policy.write_text("#!/bin/sh\nexit 0\n")
    with debian._no_service_starts():
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.exists()


def test_a_ban_that_a_killed_run_left_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(debian._POLICY_TEXT)
    monkeypatch.setattr(debian, "_POLICY", policy)
    with debian._no_service_starts():
        pass
    assert not policy.exists()


def test_the_table_covers_what_the_rack_runs() -> None:
    assert machine.REQUIRED_PROGRAMS.keys() <= {program.name for program in debian.PROGRAMS}


@pytest.mark.rack
def test_the_kernel_is_asked_and_answers() -> None:
    assert kernel.link_fault("veth") == ""
    assert kernel.link_fault("no-such-kind") != ""
    assert kernel.nftables_fault() == ""
    names = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True, timeout=30).stdout
    assert "oss-probe" not in names


def test_memory_is_read_in_bytes() -> None:
    total, available = kernel.memory_bytes()
    assert (1 << 28) < available <= total


def test_the_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(debian, "PROGRAMS", (MISSING,))
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    assert cli.main(["doctor"]) == Exit.MACHINE_LACKS
    said = capsys.readouterr().out
    for words in ("no-such-package", "Go is missing", "https://go.dev/dl/"):
        assert words in said


def test_the_doctor_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor", "--json"])
    checks = json.loads(capsys.readouterr().out)
    assert {check["name"] for check in checks} >= {"Python", "Go", "Pulumi", "Kubernetes", "podman", "memory", "veth"}
    assert all(check["remedy"] for check in checks if check["state"] != "ok")
    assert (code == Exit.GO) == all(check["state"] != "missing" for check in checks)


def test_a_small_machine_is_called_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "memory_bytes", lambda: (4 << 30, 1 << 30))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    found = {check.name: check.state for check in doctor.examine()}
    assert found["memory"] == found["cores"] == "missing"


def test_python_is_the_one_that_runs() -> None:
    python = next(check for check in doctor.examine() if check.name == "Python")
    assert sys.executable in python.found
