"""kill -9 at any moment of `up` or `down`: the next run continues, and `down` still leaves nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from capacity.documents import REPOSITORY, to_json
from capacity.progress import Silent
from infra import rack
from infra.rack import RackSpec, cleanup
from infra.rack.state import rack_dir, state_of

pytestmark = pytest.mark.rack

ROUNDS = 5
UP = "import sys; from infra import rack; from capacity.progress import Silent; spec = sys.stdin.read(); "
UP += "rack.up(rack.RackSpec.model_validate_json(spec), Silent())"
DOWN = "import sys; from infra import rack; from capacity.progress import Silent; rack.down(sys.stdin.read(), Silent())"


def begun(program: str, stdin: str) -> subprocess.Popen[str]:
    """A program that has its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, text=True, cwd=REPOSITORY, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    return process


def run_for(seconds: float | None, program: str, stdin: str) -> float:
    """Run a program and kill it after so many seconds (None: not at all); returns how long it ran."""
    started = time.monotonic()
    process = begun(program, stdin)
    try:
        process.wait(120 if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        assert seconds is not None, "no end"
        process.send_signal(signal.SIGKILL)
        process.wait()
    return time.monotonic() - started


def test_killed_ups_and_downs_are_finished_by_the_next(rack_spec: RackSpec) -> None:
    spec, name = to_json(rack_spec), rack_spec.name
    up_s = run_for(None, UP, spec)
    down_s = run_for(None, DOWN, name)
    assert list(cleanup.leftovers(name)) == []
    chosen = random.Random(7)
    for _ in range(ROUNDS):
        run_for(chosen.uniform(0, up_s), UP, spec)
        if chosen.random() < 0.5:  # half the time the next `up` continues, else `down` meets half a rack
            assert rack.up(rack_spec, Silent()).spec == rack_spec
            found = rack.status(name)
            assert found is not None
            assert found.complete
        run_for(chosen.uniform(0, down_s), DOWN, name)
        rack.down(name, Silent())
        assert list(cleanup.leftovers(name)) == []


def test_killed_as_soon_as_the_controllers_start(rack_spec: RackSpec) -> None:
    process = begun(UP, to_json(rack_spec))
    record = rack_dir(state_of(rack_spec.name)) / "bmc.pid"
    deadline = time.monotonic() + 120
    while not record.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert record.exists()
    try:
        assert rack.up(rack_spec, Silent()).changed, "its controllers are still starting"
        assert not rack.up(rack_spec, Silent()).changed
    finally:
        rack.down(rack_spec.name, Silent())
