"""CPU of stations: interpolation, several instances, local process trees, servers over a shell, kubelet metrics."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.faults import StepFailed
from loadtests.sources import LocalProcesses, PodPlace, Pods, ServerPlace, Servers, Shells
from loadtests.stations import Combine, Reading, Series, Stations

BURN = (
    "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('burnt', flush=True)\n"
)
# Two threads that have hashed for 0.2 s of CPU each, one of them gone since, and a first one that has done nothing.
HASHING = """
import sys, threading, time
def hash(stay):
    while time.thread_time() < 0.2: pass
    done.release()
    if stay: sys.stdin.read()
done = threading.Semaphore(0)
threads = [threading.Thread(target=hash, args=(stay,)) for stay in (True, False)]
for thread in threads: thread.start(); done.acquire()
threads[1].join()
print("hashed", flush=True)
threads[0].join()
"""
HASHED_S = 0.4


class Scripted:
    """A source that gives prepared readings, one list at a time."""

    def __init__(self, turns: list[list[Reading]], stations: Mapping[str, Combine]) -> None:
        self._turns = iter(turns)
        self.stations = stations
        self.closed = False

    def read(self) -> list[Reading]:
        return next(self._turns, [])

    def close(self) -> None:
        self.closed = True


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=20), st.floats(-10, 1010))
def test_a_counter_between_readings_lies_between_their_values(points: list[tuple[float, float]], at: float) -> None:
    series = Series()
    values = sorted(cpu for _, cpu in points)
    for (moment, _), cpu in zip(sorted(points), values, strict=True):
        series.add(Reading("api", "pod", moment, cpu))
    found = series.value(at)[0]
    assert series.values[0][0] <= found <= series.values[-1][0]


def test_stages_share_a_counter_by_time_and_instances_add_up() -> None:
    turns = [
        [Reading("api", "one", 100.0, 10.0), Reading("api", "two", 104.0, 0.0)],
        [Reading("api", "one", 110.0, 15.0), Reading("api", "two", 114.0, 2.0)],
        [Reading("api", "one", 120.0, 15.0), Reading("api", "two", 124.0, 2.0)],
    ]
    source = Scripted(turns, {"api": "sum"})
    with Stations([source], interval_s=0.01) as stations:
        _wait(lambda: stations.result(118, 124, {"api": 2.0}))
        first, second = (stations.result(a, b, {"api": 2.0})[0] for a, b in ((104.0, 110.0), (110.0, 120.0)))
    assert first.cpu_seconds == pytest.approx(3.0 + 1.2)
    assert second.cpu_seconds == pytest.approx(0.0 + 0.8)
    assert first.utilisation == pytest.approx(4.2 / (2.0 * 6.0))
    assert source.closed


def test_mirrors_count_as_the_busiest_of_them_and_throttling_as_a_share() -> None:
    turns = [
        [Reading("database", "a", 0.0, 0.0, 0, 0), Reading("database", "b", 0.0, 0.0, 0, 0)],
        [Reading("database", "a", 10.0, 8.0, 100, 30), Reading("database", "b", 10.0, 1.0, 100, 0)],
    ]
    with Stations([Scripted(turns, {"database": "max"})], interval_s=0.01) as stations:
        _wait(lambda: stations.result(5, 10, {"database": 1.0}))
        result = stations.result(0, 10, {"database": 1.0})[0]
    assert (result.cpu_seconds, result.utilisation, result.throttled_share) == (8.0, 0.8, 0.15)


def test_a_source_that_fails_is_told_and_stops_nothing() -> None:
    class Broken(Scripted):
        def read(self) -> list[Reading]:
            raise StepFailed("no answer")

    good = Scripted([[Reading("api", "one", float(n), float(n))] for n in range(5)], {"api": "sum"})
    with Stations([Broken([], {"edge": "sum"}), good], interval_s=0.01) as stations:
        _wait(lambda: stations.result(2, 4, {"api": 1.0, "edge": 1.0}))
        _wait(lambda: stations.problems)
        results = stations.result(0, 4, {"api": 1.0, "edge": 1.0})
    assert [r.station for r in results] == ["api"]
    assert "no answer" in stations.problems["edge"]


def test_cpu_of_children_that_ended_and_of_those_that_live_is_counted() -> None:
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "burnt\n"
        source = LocalProcesses({"api": process.pid})
        _wait(lambda: source.read()[0].cpu_s >= 0.28)
        assert source.read()[0].cpu_s < 3
        process.communicate("\n")
    with pytest.raises(OSError, match="is gone"):
        source.read()


def test_cpu_of_threads_beside_the_first_is_told_apart() -> None:
    with subprocess.Popen([sys.executable, "-c", HASHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hashed\n"
        (reading,) = LocalProcesses({"api": process.pid}).read()
        process.communicate(b"\n")
    assert reading.threads_s == pytest.approx(HASHED_S, abs=0.05)
    assert reading.threads_s < reading.cpu_s


def test_threads_are_told_of_a_station_only_where_all_its_instances_tell_them() -> None:
    def told(*second: float) -> float | None:
        turns = [
            [Reading("api", "one", at, at, threads_s=at / 2), Reading("api", "two", at, at, 0.0, 0.0, *second)]
            for at in (0.0, 10.0)
        ]
        with Stations([Scripted(turns, {"api": "sum"})], interval_s=0.01) as stations:
            _wait(lambda: stations.result(5, 10, {"api": 2.0}))
            return stations.result(0, 10, {"api": 2.0})[0].thread_cpu_seconds

    assert told(0.0) == 5.0
    assert told() is None


def test_processes_of_a_server_are_read_by_name_over_one_shell(tmp_path: Path) -> None:
    ssh = _far_end(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        source = Servers([ServerPlace("edge", "server-1", "sleep")], (str(ssh),))
        try:
            first, second = source.read()[0], source.read()[0]
            assert 0 <= first.cpu_s <= second.cpu_s
            assert abs(first.at - time.time()) < 60
            shells = source._shells._open.copy()
            assert source.read()
            assert source._shells._open == shells
            with pytest.raises(StepFailed, match="no process nothing"):
                Servers([ServerPlace("edge", "server-1", "nothing")], (str(ssh),)).read()
        finally:
            source.close()
            sleeper.kill()


def test_a_server_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(StepFailed, match="does not tell its CPU"):
        Servers([ServerPlace("edge", "server-1", "haproxy")], ("false",)).read()


UID, OTHER = "0b6c5a0e-1111-4222-8333-444455556666", "9f9f9f9f-1111-4222-8333-444455556666"
NEW = {
    "kubepods.slice/kubepods-pod{uid_}.slice/cpu.stat": "usage_usec 12250000\nnr_periods 90\nnr_throttled 30\n",
    "kubepods.slice/kubepods-pod{uid_}.slice/cri-a.scope/cpu.stat": "usage_usec 7\nnr_periods 80\nnr_throttled 20\n",
    "kubepods.slice/kubepods-pod{uid_}.slice/cri-a.scope/cgroup.procs": "{pid}\n",
    "kubepods.slice/kubepods-pod{uid_}.slice/cri-b.scope/cgroup.procs": "",
    "kubepods.slice/kubepods-pod{uid_}.slice/cri-b.scope/cpu.stat": "usage_usec 8\nnr_periods 0\nnr_throttled 0\n",
}
OLD = {
    "cpu,cpuacct/kubepods/pod{uid}/cpuacct.usage": "12250000000\n",
    "cpu,cpuacct/kubepods/pod{uid}/cpu.stat": "nr_periods 90\nnr_throttled 30\nthrottled_time 5\n",
    "cpu,cpuacct/kubepods/pod{uid}/a/cpu.stat": "nr_periods 80\nnr_throttled 20\nthrottled_time 5\n",
    "cpu,cpuacct/kubepods/pod{uid}/a/cgroup.procs": "{pid}\n",
    "memory/kubepods/pod{uid}/memory.stat": "cache 1\n",
}


@pytest.mark.parametrize("files", [NEW, OLD], ids=["cgroup v2", "cgroup v1"])
def test_pods_are_read_from_their_control_groups(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threaded = subprocess.Popen([sys.executable, "-c", HASHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert threaded.stdout is not None
    assert threaded.stdout.readline() == b"hashed\n"
    for name, text in files.items():
        path = tmp_path / "cgroup" / name.format(uid=UID, uid_=UID.replace("-", "_"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(pid=threaded.pid))
    monkeypatch.setenv("CGROUPS", str(tmp_path / "cgroup"))
    listed = {"items": [{"metadata": {"uid": uid}, "spec": {"nodeName": "server-1"}} for uid in (UID, OTHER)]}
    monkeypatch.setattr(Pods, "_get", lambda self, path: listed)
    source = Pods([PodPlace("api", "oss-api", "api")], tmp_path / "kubeconfig", (str(_far_end(tmp_path)),))
    try:
        (reading,) = source.read()
    finally:
        source.close()
        threaded.communicate(b"\n")
    assert (reading.station, reading.instance, reading.cpu_s) == ("api", UID, 12.25)
    assert (reading.periods, reading.throttled) == (80, 20)
    assert reading.threads_s == pytest.approx(HASHED_S, abs=0.05)
    assert abs(reading.at - time.time()) < 60


def test_a_server_that_is_down_spoils_only_its_own_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pods(*nodes: str) -> Pods:
        listed = {"items": [{"metadata": {"uid": f"u-{n}"}, "spec": {"nodeName": n}} for n in nodes]}
        monkeypatch.setattr(Pods, "_get", lambda self, path: listed)
        return Pods([PodPlace("api", "oss-api", "api")], tmp_path / "kubeconfig", ("unused",))

    def ask(self: Shells, server: str, words: str) -> list[list[float]]:
        if server == "down":
            raise StepFailed("down does not tell its CPU")
        return [[1.0, 2e6, 3.0, 4.0, 5e5]]

    monkeypatch.setattr(Shells, "ask", ask)
    assert pods("up", "down").read() == [Reading("api", "u-up", 1.0, 2.0, 3.0, 4.0, 0.5)]
    with pytest.raises(StepFailed, match="down"):
        pods("down").read()


def _far_end(folder: Path) -> Path:
    """What stands for ssh here drops its options and the server's name, and runs the rest as ssh's far end would."""
    ssh = folder / "ssh"
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != "server-1" ]; do shift; done\nshift\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    return ssh


def _wait(what: object) -> None:
    deadline = time.monotonic() + 20
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
