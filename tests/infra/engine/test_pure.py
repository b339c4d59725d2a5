"""The engine's pure parts: cost, what the CLI said, stack files, locks."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.automation import CommandError, CommandResult

from capacity.faults import BadInput, Exit, StepFailed
from capacity.progress import Silent
from infra.engine.cost import cost_difference, rupiah, total
from infra.engine.failures import failure, last_words
from infra.engine.locks import clear_stale_locks, locks
from infra.engine.rollout import check_environment_name, said
from infra.engine.stack_files import read_settings, unsalted
from infra.lease.model import LeaseTerms
from infra.settings import FleetSettings


def term(line: str, rent: int = 10, setup: int = 3, months: int = 24) -> LeaseTerms:
    day = dt.date(2018, 6, 1)
    return LeaseTerms(
        id=line, vendor="A", start=day, end=day, months=months, notice_date=day, monthly_rent_idr=rent, setup_idr=setup
    )


LEDGER = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.lists(st.sampled_from("xyz"), max_size=3, unique=True).map(lambda lines: [term(line) for line in lines]),
)


@given(LEDGER)
def test_the_same_fleet_costs_no_difference(ledger: dict[str, list[LeaseTerms]]) -> None:
    assert cost_difference(ledger, ledger) == ()


@given(LEDGER, LEDGER)
def test_there_and_back_costs_nothing(one: dict[str, list[LeaseTerms]], two: dict[str, list[LeaseTerms]]) -> None:
    there, back = total(cost_difference(one, two)), total(cost_difference(two, one))
    assert (there[0] + back[0], there[1] + back[1]) == (0, 0)


def test_a_line_by_hand() -> None:
    rows = cost_difference({"a": [term("x")]}, {"a": [term("x")], "b": [term("x")], "c": [term("y", 7, 0, 12)]})
    assert [(r.line, r.before, r.after, r.per_month_idr, r.over_term_idr) for r in rows] == [
        ("x", 1, 2, 10, 10 * 24 + 3),
        ("y", 0, 1, 7, 7 * 12),
    ]


def test_a_new_price_shows_without_a_new_server() -> None:
    rows = cost_difference({"a": [term("x", rent=10)]}, {"a": [term("x", rent=9)]})
    assert [(r.per_month_idr, r.over_term_idr) for r in rows] == [(-1, -24)]


def test_rupiah_and_counts_as_people_read_them() -> None:
    assert rupiah(-1_500_000) == "-Rp 1.500.000"
    assert said({"create": 2, "same": 3}) == "2 created, 3 as they were"
    assert said({}) == "nothing to do"


OUTPUT = """Updating (local.fleet):
 +  lease:index:Server primary-worker-01 creating
Diagnostics:
  pulumi:pulumi:Stack (oss-local.fleet):
    warning: using pulumi-resource-lease from $PATH at /x
  lease:index:Server (primary-worker-01):
    error: primary-worker-01: its BMC at https://10.20.0.31 answers 500
      remedy: Restart the BMC

Resources:
    1 errored
"""


def command_error(output: str) -> CommandError:
    return CommandError(CommandResult(stdout=output, stderr="", code=255))


def test_diagnostics_are_what_is_left_of_a_failed_run() -> None:
    error = failure("local.fleet", command_error(OUTPUT))
    assert "answers 500" in str(error)
    assert "remedy: Restart the BMC" in str(error)
    assert "Resources:" not in str(error)
    assert "$PATH" not in str(error)
    assert error.exit_code == Exit.STEP_FAILED


def test_bad_input_in_a_program_keeps_its_exit_code() -> None:
    output = OUTPUT.replace(
        "primary-worker-01: its BMC at https://10.20.0.31 answers 500", "1 fault in the input; nothing was changed"
    )
    assert failure("local.fleet", command_error(output)).exit_code == Exit.BAD_INPUT


def test_without_diagnostics_the_error_line_speaks() -> None:
    assert last_words("code: 255\n stdout: \n stderr: error: no stack named x") == "error: no stack named x"


@pytest.mark.parametrize("name", ["local", "rehearsal2", "a"])
def test_environment_names(name: str) -> None:
    assert check_environment_name(name) == name


@pytest.mark.parametrize("name", ["", "Local", "2nd", "a.b", "a-b", "x" * 17, "é"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        check_environment_name(name)


def test_settings_without_a_file_are_those_of_a_rack(tmp_path: Path) -> None:
    settings = read_settings(FleetSettings, "x", "fleet", tmp_path)
    assert (settings.scale, settings.phase) == ("rack", 1)


def test_settings_list_every_fault_and_skip_secrets(tmp_path: Path) -> None:
    file = tmp_path / "stacks" / "Pulumi.x.fleet.yaml"
    file.parent.mkdir()
    file.write_text("config:\n  oss:bmcPassword: {secure: v1:abc}\n  oss:phase: 2\n  other:key: 1\n")
    assert read_settings(FleetSettings, "x", "fleet", tmp_path).phase == 2
    file.write_text("config:\n  oss:phase: 4\n  oss:scale: galaxy\n  oss:racksPerSites: 2\n")
    with pytest.raises(BadInput) as caught:
        read_settings(FleetSettings, "x", "fleet", tmp_path)
    assert [fault.path for fault in caught.value.faults] == ["phase", "scale", "racksPerSites"]
    assert "racksPerSite" in caught.value.faults[2].remedy


SALTED = "encryptionsalt: v1:abc\n"
WRITTEN = "# why\nconfig:\n  oss:phase: 1\n  oss:seed: false\n"


def test_a_stack_file_stays_as_it_was_unless_its_settings_change() -> None:
    assert unsalted("", SALTED) == ""
    assert unsalted(WRITTEN, WRITTEN.replace("1", '"1"').replace("false", '"false"') + SALTED) == WRITTEN
    changed = WRITTEN.replace("1", '"2"')
    assert unsalted(WRITTEN, changed + SALTED) == changed
    assert unsalted("", changed + SALTED) == changed
    assert unsalted(WRITTEN + SALTED, changed + SALTED) == changed + SALTED


@pytest.fixture
def ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def pulumi_like(tmp_path: Path) -> Iterator[int]:
    program = tmp_path / "pulumi"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    end = time.monotonic() + 30
    while Path(f"/proc/{process.pid}/comm").read_text().strip() != program.name:  # named a moment after the exec
        assert time.monotonic() < end
        time.sleep(0.001)
    yield process.pid
    process.kill()
    process.wait()


def lock(backend: Path, pid: int) -> Path:
    path = backend / ".pulumi" / "locks" / "organization" / "oss" / "local.fleet" / "1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "username": "u", "hostname": "h"}))
    return path


def test_the_lock_of_a_dead_process_goes(tmp_path: Path, ended: int) -> None:
    path = lock(tmp_path, ended)
    clear_stale_locks(tmp_path, "local.fleet", Silent())
    assert not path.exists()


def test_a_pid_that_another_program_has_now_counts_as_dead(tmp_path: Path) -> None:
    path = lock(tmp_path, os.getpid())
    clear_stale_locks(tmp_path, "local.fleet", Silent())
    assert not path.exists()


def test_a_living_engine_keeps_its_lock(tmp_path: Path, pulumi_like: int) -> None:
    path = lock(tmp_path, pulumi_like)
    with pytest.raises(StepFailed, match=str(pulumi_like)):
        clear_stale_locks(tmp_path, "local.fleet", Silent(), wait_s=0)
    assert path.exists()
    assert [found.pid for found in locks(tmp_path, "local.fleet")] == [pulumi_like]
