"""How busy the machine is: what the kernel counts, for the processors that may be used."""

from __future__ import annotations

import os
import time

from loadtests.machine import MACHINE, PIECES, SPEED, Speed, WholeMachine, busy_seconds
from loadtests.stations import Stations

STAT = """cpu  60 2 30 900 50 1 2 5 40 0
cpu0 10 1 20 400 30 1 1 2 10 0
cpu1 50 1 10 500 20 0 1 3 30 0
intr 12345 0 9
"""


def test_all_but_idling_and_waiting_for_disks_is_busy() -> None:
    # 10 + 1 + 20 + 1 + 1 + 2 of a hundredth of a second; a guest's time is in the user's already
    assert busy_seconds(STAT, {0}, ticks_per_s=100) == 0.35
    assert busy_seconds(STAT, {0, 1}, ticks_per_s=100) == 1.0


def test_work_shows_in_the_machine() -> None:
    with Stations([WholeMachine()], interval_s=0.02) as stations:
        began = time.time()
        until, spent = time.thread_time() + 0.3, 0
        while time.thread_time() < until:
            spent += 1
        ended = time.time()
        stations.settle(ended)
    (found,) = stations.result(began, ended, {MACHINE: 2})
    assert found.cpu_seconds >= 0.2  # the counter goes in hundredths, and readings are some apart


def test_the_fixed_piece_of_work_is_timed_in_cpu() -> None:
    speed = Speed(os.sched_getaffinity(0), pause_s=0.0)
    (first,), (second,) = speed.read(), speed.read()
    assert (first.periods, second.periods) == (PIECES, 2 * PIECES)
    assert 0 < first.cpu_s < second.cpu_s
    stations = Stations([speed])
    stations._series[SPEED, SPEED].add(first)
    stations._series[SPEED, SPEED].add(second)
    assert stations.counted(SPEED, first.at, second.at) == (second.cpu_s - first.cpu_s, PIECES)
